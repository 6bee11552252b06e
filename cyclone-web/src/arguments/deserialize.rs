//! From pairs of text to a type of the handler's.

use std::fmt;

use http::StatusCode;
use serde::Deserialize;
use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use smallvec::SmallVec;

use super::MAX_ECHO;

/// Makes a `T` of named text: arguments, the fields of a form, the groups of a path.
///
/// The rules are those of [`Arguments::deserialize`](super::Arguments::deserialize).
///
/// ```
/// let user: std::collections::HashMap<String, u64> =
///     cyclone_web::from_pairs([("id", "7"), ("group", "12")])?;
/// assert_eq!(user["group"], 12);
/// # Ok::<(), cyclone_web::DeserializeError>(())
/// ```
///
/// # Errors
/// [`DeserializeError`], which names the field.
pub fn from_pairs<'de, T, I>(pairs: I) -> Result<T, DeserializeError>
where
    T: Deserialize<'de>,
    I: IntoIterator<Item = (&'de str, &'de str)>,
{
    let mut pairs: SmallVec<[(&str, &str); 8]> = pairs.into_iter().collect();
    // Stable: the values of one name stay in the order sent.
    pairs.sort_by_key(|(name, _)| *name);
    T::deserialize(Pairs(&pairs))
}

/// Why named text does not fit a type; the client's fault, a 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeserializeError {
    field: Option<String>,
    detail: String,
}

impl DeserializeError {
    /// Returns the name of the argument or field, when one is to blame.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Returns what is wrong with it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the status for the client: 400.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }

    fn at(mut self, field: &str) -> Self {
        self.field.get_or_insert_with(|| field.to_owned());
        self
    }

    fn not_valid(text: &str, expected: &str) -> Self {
        let echo: String = text.chars().take(MAX_ECHO).collect();
        de::Error::custom(format_args!("{echo:?} is not a valid {expected}"))
    }
}

impl fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => {
                let field: String = field.chars().take(MAX_ECHO).collect();
                write!(f, "argument {field:?}: {}", self.detail)
            }
            None => f.write_str(&self.detail),
        }
    }
}

impl std::error::Error for DeserializeError {}

impl de::Error for DeserializeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            field: None,
            detail: message.to_string(),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            field: Some(field.to_owned()),
            detail: "is missing".to_owned(),
        }
    }

    fn unknown_field(field: &str, _expected: &'static [&'static str]) -> Self {
        Self {
            field: Some(field.to_owned()),
            detail: "is not known".to_owned(),
        }
    }
}

/// All pairs, sorted by name; gives each name once with all its values.
struct Pairs<'a, 'de>(&'a [(&'de str, &'de str)]);

impl<'de> de::Deserializer<'de> for Pairs<'_, 'de> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_map(Groups {
            rest: self.0,
            current: &[],
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Groups<'a, 'de> {
    rest: &'a [(&'de str, &'de str)],
    current: &'a [(&'de str, &'de str)],
}

impl<'de> MapAccess<'de> for Groups<'_, 'de> {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        let Some((name, _)) = self.rest.first() else {
            return Ok(None);
        };
        let count = self.rest.iter().take_while(|(key, _)| key == name).count();
        (self.current, self.rest) = self.rest.split_at(count);
        let key = Values(std::slice::from_ref(&(*name, *name))).last_as_key(seed);
        key.map(Some).map_err(|error| error.at(name))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Self::Error> {
        let name = self.current.first().map_or("", |(name, _)| name);
        seed.deserialize(Values(self.current))
            .map_err(|error| error.at(name))
    }
}

/// The values of one name; never empty.
struct Values<'a, 'de>(&'a [(&'de str, &'de str)]);

impl<'de> Values<'_, 'de> {
    fn last(&self) -> &'de str {
        self.0.last().map_or("", |(_, value)| value)
    }

    /// Keys follow the rules of values, so that a map may have numbers for keys.
    fn last_as_key<K: DeserializeSeed<'de>>(self, seed: K) -> Result<K::Value, DeserializeError> {
        seed.deserialize(self)
    }
}

/// Parses the last value, stripped, and gives it to the visitor.
macro_rules! parsed {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            let text = self.last().trim();
            match text.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(DeserializeError::not_valid(text, stringify!($type))),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Values<'_, 'de> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_borrowed_str(self.last())
    }

    parsed! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.last().trim() {
            "true" | "on" | "yes" | "1" => visitor.visit_bool(true),
            "false" | "off" | "no" | "0" => visitor.visit_bool(false),
            text => Err(DeserializeError::not_valid(text, "bool")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        let mut values = SeqDeserializer::new(self.0.iter().map(One));
        let value = visitor.visit_seq(&mut values)?;
        values.end()?;
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(Variant(self.last()))
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf map struct identifier ignored_any
    }
}

/// One value of a repeated name.
struct One<'a, 'de>(&'a (&'de str, &'de str));

impl<'a, 'de> IntoDeserializer<'de, DeserializeError> for One<'a, 'de> {
    type Deserializer = Values<'a, 'de>;

    fn into_deserializer(self) -> Self::Deserializer {
        Values(std::slice::from_ref(self.0))
    }
}

/// A value that names a variant without data.
struct Variant<'de>(&'de str);

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = DeserializeError;
    type Variant = UnitOnly;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Self::Error> {
        let value = seed.deserialize(BorrowedStrDeserializer::new(self.0))?;
        Ok((value, UnitOnly))
    }
}

struct UnitOnly;

impl UnitOnly {
    fn refuse<T>() -> Result<T, DeserializeError> {
        Err(de::Error::custom(
            "only variants without data can be sent as text",
        ))
    }
}

impl<'de> de::VariantAccess<'de> for UnitOnly {
    type Error = DeserializeError;

    fn unit_variant(self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        _seed: T,
    ) -> Result<T::Value, Self::Error> {
        Self::refuse()
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        Self::refuse()
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        Self::refuse()
    }
}
