//! Routes there and back, and redirects.

use cyclone_web::{Application, RequestContext, RequestHandler, Result, url};
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use tower_service::Service as _;

use bytes::Bytes;

/// Parameters that a pattern may have; more are a mistake of the program, which panics.
const MAX_PARAMETERS: usize = 25;

/// Asks an application, and returns the status, the location and the body.
fn ask(app: &Application, uri: Uri) -> (u16, Option<String>, Bytes) {
    let mut app = app.clone();
    let request = Request::builder().method(Method::GET).uri(uri);
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    crate::serve::block_on(async {
        let Ok(response) = app.call(request).await;
        let location = response.headers().get(header::LOCATION);
        let location = location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body");
        (status, location, body.to_bytes())
    })
}

/// Answers the arguments of its path, a line each.
struct Echo {
    names: Vec<String>,
}

impl RequestHandler for Echo {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        let mut found = String::new();
        for name in &self.names {
            found += &cx.path_argument(name)?;
            found.push('\n');
        }
        cx.text(found)
    }
}

struct Redirect {
    target: String,
}

impl RequestHandler for Redirect {
    async fn get(&self, cx: &mut RequestContext) -> Result {
        cx.redirect(&self.target)
    }
}

/// The first line makes a pattern: `:` is a parameter, `*` the rest, anything else a literal. The other lines are
/// arguments. The path that it is reversed to leads back to it, with the same arguments.
pub(crate) fn routes(data: &[u8]) {
    let mut texts = crate::texts(data);
    let mut pattern = String::new();
    let mut names = Vec::new();
    for segment in texts.next().unwrap_or_default().split('/') {
        match segment {
            _ if names.len() == MAX_PARAMETERS => break,
            ":" => {
                names.push(format!("p{}", names.len()));
                pattern += &format!("/{{p{}}}", names.len() - 1);
            }
            "*" => {
                names.push(format!("p{}", names.len()));
                pattern += &format!("/{{*p{}}}", names.len() - 1);
                break;
            }
            // What a path may have as it is, and braces, which a pattern doubles.
            literal => {
                let plain =
                    |c: &char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;=@{}".contains(*c);
                let literal: String = literal.chars().filter(plain).collect();
                pattern += &format!("/{}", literal.replace('{', "{{").replace('}', "}}"));
            }
        }
    }
    let arguments: Vec<String> = names
        .iter()
        .map(|_| texts.next().unwrap_or_default().to_owned())
        .collect();
    let app = Application::new().route(url(&*pattern).name("it"), Echo { names });
    let shown: Vec<&dyn std::fmt::Display> = arguments.iter().map(|it| it as _).collect();
    let path = app.reverse_url("it", &shown).expect("as many as there are");
    // Two slashes at its start would lead to another host, so there is one, and that may not lead back.
    assert!(!path.starts_with("//"), "{pattern} as {path}");
    let rest_at_once = pattern.starts_with("/{*") && arguments[0].starts_with('/');
    if pattern.starts_with("//") || rest_at_once {
        return;
    }
    let uri = Uri::try_from(path.clone()).expect("a path is a URI");
    assert_eq!(uri.path(), path);
    let (status, _, body) = ask(&app, uri);
    // An empty segment is no parameter.
    if arguments.iter().any(String::is_empty) {
        return;
    }
    assert_eq!(status, 200, "{pattern} as {path}");
    let expected: String = arguments.iter().flat_map(|it| [it, "\n"]).collect();
    assert_eq!(body, expected, "{pattern} as {path}");
}

/// A redirect to any text stays on the host that the text names: this one, unless it is a whole URL.
pub(crate) fn location(data: &[u8]) {
    let Ok(target) = std::str::from_utf8(data) else {
        return;
    };
    let target = target.to_owned();
    let app = Application::new().route("/", Redirect { target });
    let (status, location, _) = ask(&app, Uri::from_static("/"));
    let Some(location) = location else {
        assert_eq!(status, 500);
        return;
    };
    assert_eq!(status, 302);
    assert!(
        !location.chars().any(|c| c.is_control() || c == ' '),
        "{location:?}"
    );
    // How browsers read it: CVE-2023-28370.
    let read = location.replace('\\', "/");
    assert!(!read.starts_with("//"), "{location:?}");
}
