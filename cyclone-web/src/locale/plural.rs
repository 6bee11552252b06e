//! Plural rules of gettext: the expression in the `Plural-Forms` field of a catalogue.

use std::fmt;

/// Longest plural rule, in bytes; the limit of Python's `gettext`.
pub const MAX_PLURAL_RULE: usize = 1_000;

/// Most plural forms of a language. No language is known to have more than six.
pub const MAX_PLURAL_FORMS: usize = 16;

/// Deepest nesting of parentheses and of `?:`; the limit of Python's `gettext`.
pub const MAX_PLURAL_DEPTH: usize = 20;

/// Chooses the plural form for a number, by the rule of a language.
///
/// The rule is an expression of C over the number `n`: integers, `?:`, `||`, `&&`, comparisons, `+ - * / %`, `!` and
/// parentheses (GNU gettext manual, "Plural forms"). It is read once; choosing takes at most as many steps as the rule
/// has bytes. Negative numbers divide as in Python: downwards.
///
/// ```
/// use cyclone_web::locale::PluralRule;
///
/// let polish = "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);";
/// let polish: PluralRule = polish.parse()?;
/// assert_eq!(polish.forms(), 3);
/// assert_eq!([1, 2, 5, 12, 22].map(|n| polish.form(n)), [0, 1, 2, 2, 1]);
/// # Ok::<(), cyclone_web::locale::PluralError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PluralRule {
    forms: usize,
    nodes: Box<[Node]>,
    root: usize,
}

/// One operation; its operands stand before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Number(i64),
    Count,
    Not(usize),
    Binary(Operator, usize, usize),
    Choice(usize, usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl PluralRule {
    /// The rule of English and of catalogues without one: the first form for one, the second for all else.
    #[must_use]
    pub fn germanic() -> Self {
        let nodes = [
            Node::Count,
            Node::Number(1),
            Node::Binary(Operator::NotEqual, 0, 1),
        ];
        Self {
            forms: 2,
            nodes: Box::new(nodes),
            root: 2,
        }
    }

    /// The number of forms that a message has.
    #[must_use]
    pub fn forms(&self) -> usize {
        self.forms
    }

    /// The form for `n`, from 0; less than [`forms`](Self::forms).
    ///
    /// A rule that divides by zero, overflows or gives a form that does not exist chooses the first.
    #[must_use]
    pub fn form(&self, n: i64) -> usize {
        let form = self.evaluate(self.root, i128::from(n));
        let form = form.and_then(|form| usize::try_from(form).ok());
        form.filter(|form| *form < self.forms).unwrap_or(0)
    }

    fn evaluate(&self, at: usize, n: i128) -> Option<i128> {
        match *self.nodes.get(at)? {
            Node::Number(number) => Some(i128::from(number)),
            Node::Count => Some(n),
            Node::Not(operand) => Some(i128::from(self.evaluate(operand, n)? == 0)),
            Node::Choice(condition, yes, no) => {
                let chosen = if self.evaluate(condition, n)? == 0 {
                    no
                } else {
                    yes
                };
                self.evaluate(chosen, n)
            }
            Node::Binary(operator, left, right) => {
                let left = self.evaluate(left, n)?;
                match operator {
                    Operator::Or if left != 0 => return Some(1),
                    Operator::And if left == 0 => return Some(0),
                    _ => {}
                }
                operator.apply(left, self.evaluate(right, n)?)
            }
        }
    }
}

impl Operator {
    fn parse(token: &str) -> Option<Self> {
        Some(match token {
            "||" => Self::Or,
            "&&" => Self::And,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterEqual,
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Remainder,
            _ => return None,
        })
    }

    /// How closely it binds.
    fn priority(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Equal | Self::NotEqual => 3,
            Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual => 4,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide | Self::Remainder => 6,
        }
    }

    fn apply(self, left: i128, right: i128) -> Option<i128> {
        let truth = |yes: bool| Some(i128::from(yes));
        match self {
            // What the left side decides has been decided.
            Self::Or | Self::And => truth(right != 0),
            Self::Equal => truth(left == right),
            Self::NotEqual => truth(left != right),
            Self::Less => truth(left < right),
            Self::LessEqual => truth(left <= right),
            Self::Greater => truth(left > right),
            Self::GreaterEqual => truth(left >= right),
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => {
                let (quotient, rest) = (left.checked_div(right)?, left.checked_rem(right)?);
                let down = rest != 0 && (rest < 0) != (right < 0);
                Some(quotient - i128::from(down))
            }
            Self::Remainder => {
                let rest = left.checked_rem(right)?;
                let down = rest != 0 && (rest < 0) != (right < 0);
                Some(if down { rest + right } else { rest })
            }
        }
    }
}

impl std::str::FromStr for PluralRule {
    type Err = PluralError;

    /// Reads the value of a `Plural-Forms` field: `nplurals=2; plural=n != 1;`.
    fn from_str(field: &str) -> Result<Self, PluralError> {
        if field.len() > MAX_PLURAL_RULE {
            return Err(PluralError::new("the rule is too long", ""));
        }
        let forms = value_of(field, "nplurals=").ok_or_else(|| missing("nplurals="))?;
        let Ok(forms @ 1..=MAX_PLURAL_FORMS) = forms.parse() else {
            return Err(PluralError::new("impossible number of forms", forms));
        };
        let expression = value_of(field, "plural=").ok_or_else(|| missing("plural="))?;
        let mut parser = Parser {
            rest: expression,
            nodes: Vec::new(),
            depth: 0,
        };
        let root = parser.choice()?;
        match parser.next()? {
            "" => Ok(Self {
                forms,
                nodes: parser.nodes.into_boxed_slice(),
                root,
            }),
            token => Err(unexpected(token)),
        }
    }
}

/// What stands between a key and the next semicolon.
fn value_of<'a>(field: &'a str, key: &str) -> Option<&'a str> {
    let (_, value) = field.split_once(key)?;
    Some(value.split(';').next().unwrap_or(value).trim())
}

struct Parser<'a> {
    rest: &'a str,
    nodes: Vec<Node>,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// Takes a token; an empty one at the end.
    fn next(&mut self) -> Result<&'a str, PluralError> {
        let token = self.peek()?;
        self.rest = self.rest.trim_start().get(token.len()..).unwrap_or("");
        Ok(token)
    }

    fn peek(&self) -> Result<&'a str, PluralError> {
        let rest = self.rest.trim_start();
        let end = |until: fn(char) -> bool| rest.find(until).unwrap_or(rest.len());
        let length = match rest.as_bytes() {
            [] => 0,
            [b'0'..=b'9', ..] => end(|c| !c.is_ascii_digit()),
            [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => {
                end(|c| !(c.is_ascii_alphanumeric() || c == '_'))
            }
            [b'=' | b'!' | b'<' | b'>', b'=', ..] | [b'|', b'|', ..] | [b'&', b'&', ..] => 2,
            [
                b'!' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%' | b'?' | b':' | b'(' | b')',
                ..,
            ] => 1,
            _ => return Err(PluralError::new("invalid token", rest)),
        };
        Ok(rest.get(..length).unwrap_or(rest))
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn enter(&mut self) -> Result<(), PluralError> {
        self.depth += 1;
        if self.depth > MAX_PLURAL_DEPTH {
            return Err(PluralError::new("the rule is nested too deep", ""));
        }
        Ok(())
    }

    /// The whole of an expression.
    fn choice(&mut self) -> Result<usize, PluralError> {
        let condition = self.binary(1)?;
        if self.peek()? != "?" {
            return Ok(condition);
        }
        self.next()?;
        self.enter()?;
        let yes = self.choice()?;
        let colon = self.next()?;
        if colon != ":" {
            return Err(unexpected(colon));
        }
        let no = self.choice()?;
        self.depth -= 1;
        Ok(self.push(Node::Choice(condition, yes, no)))
    }

    /// Operators that bind at least as closely as `priority`.
    fn binary(&mut self, priority: u8) -> Result<usize, PluralError> {
        let mut left = self.operand()?;
        while let Some(operator) = Operator::parse(self.peek()?) {
            if operator.priority() < priority {
                break;
            }
            self.next()?;
            let right = self.binary(operator.priority() + 1)?;
            left = self.push(Node::Binary(operator, left, right));
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<usize, PluralError> {
        let mut negations = 0_u32;
        while self.peek()? == "!" {
            self.next()?;
            negations += 1;
        }
        let mut operand = match self.next()? {
            "n" => self.push(Node::Count),
            "(" => {
                self.enter()?;
                let inner = self.choice()?;
                self.depth -= 1;
                match self.next()? {
                    ")" => inner,
                    token => return Err(unexpected(token)),
                }
            }
            token => match token.parse() {
                Ok(number) => self.push(Node::Number(number)),
                Err(_) => return Err(unexpected(token)),
            },
        };
        // An even number of them still makes a truth of a number.
        for _ in 0..negations.min(2 - negations % 2) {
            operand = self.push(Node::Not(operand));
        }
        Ok(operand)
    }
}

impl fmt::Debug for PluralRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluralRule")
            .field("forms", &self.forms)
            .finish_non_exhaustive()
    }
}

/// Why a text is no [`PluralRule`]; the mistake of whoever wrote the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluralError {
    reason: &'static str,
    token: Box<str>,
}

impl PluralError {
    fn new(reason: &'static str, token: &str) -> Self {
        let token = token.chars().take(20).collect::<String>();
        Self {
            reason,
            token: token.into(),
        }
    }
}

fn unexpected(token: &str) -> PluralError {
    if token.is_empty() {
        PluralError::new("the rule ends too soon", "")
    } else {
        PluralError::new("unexpected token", token)
    }
}

fn missing(key: &'static str) -> PluralError {
    PluralError::new("missing", key)
}

impl fmt::Display for PluralError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, token } = self;
        if token.is_empty() {
            write!(f, "plural rule: {reason}")
        } else {
            write!(f, "plural rule: {reason} `{token}`")
        }
    }
}

impl std::error::Error for PluralError {}
