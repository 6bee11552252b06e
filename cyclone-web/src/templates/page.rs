//! A page: one rendering of a template for one request, with the names that only a request has.

use std::fmt::Write as _;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use minijinja::value::Object;
use minijinja::{Error, ErrorKind, Value};

use super::Templates;
use super::assets::Assets;
use super::names::{self, Name};
use crate::application::Shared;
#[cfg(feature = "locale")]
use crate::locale::Locale;
use crate::mount::MountPrefix;

/// Most modules that may be rendered inside one another.
pub const MAX_MODULE_DEPTH: usize = 16;

/// What all parts of a page share.
pub(crate) struct Page {
    pub(super) app: Arc<Shared>,
    mount: Option<MountPrefix>,
    pub(super) templates: Templates,
    #[cfg(feature = "locale")]
    pub(super) locale: Locale,
    /// Values that the application computes for every page.
    pub(super) named: Vec<(Arc<str>, Value)>,
    /// What is known of the request, once a template has asked.
    facts: OnceLock<Facts>,
    later: Vec<Later>,
    /// What the rendering stopped for.
    need: Mutex<Option<Need>>,
    pub(super) assets: Mutex<Assets>,
    pub(super) depth: AtomicUsize,
    slots: Slots,
}

/// A value that has to be waited for.
struct Later {
    name: String,
    value: OnceLock<Value>,
}

/// What a rendering cannot go on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Facts,
    /// The value of this number.
    Later(usize),
}

/// What a template can ask of the request.
pub(crate) struct Facts {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) scheme: &'static str,
    pub(crate) host: String,
    pub(crate) remote_ip: String,
}

/// What is put into the place of a slot when the page is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    XsrfForm,
    XsrfToken,
    /// The rows of this number.
    Rows(usize),
}

/// Marks in a page for what is put there afterwards. They consist of letters and digits, so that no escaping changes
/// them, and nobody can guess them.
struct Slots {
    mark: OnceLock<String>,
    is_used: AtomicBool,
}

impl Slots {
    fn mark(&self) -> &str {
        static STATE: LazyLock<std::hash::RandomState> = LazyLock::new(Default::default);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        self.mark.get_or_init(|| {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let (one, two) = (STATE.hash_one(number), STATE.hash_one((number, "slot")));
            format!("cycloneslot{one:016x}{two:016x}x")
        })
    }
}

impl Page {
    pub(crate) fn new(
        app: Arc<Shared>,
        mount: Option<MountPrefix>,
        templates: Templates,
        #[cfg(feature = "locale")] locale: Locale,
        named: Vec<(Arc<str>, Value)>,
        later: Vec<String>,
    ) -> Self {
        let later = later.into_iter().map(|name| Later {
            name,
            value: OnceLock::new(),
        });
        Self {
            app,
            mount,
            templates,
            #[cfg(feature = "locale")]
            locale,
            named,
            facts: OnceLock::new(),
            later: later.collect(),
            need: Mutex::default(),
            assets: Mutex::default(),
            depth: AtomicUsize::new(0),
            slots: Slots {
                mark: OnceLock::new(),
                is_used: AtomicBool::new(false),
            },
        }
    }

    /// A path of the application as clients have to ask for it.
    pub(super) fn below_mount(&self, path: String) -> String {
        match &self.mount {
            Some(mount) => mount.below(path),
            None => path,
        }
    }

    /// Renders a template of the page, or as much of it as can be. `Err` with what is needed to go on.
    pub(crate) fn attempt(
        self: &Arc<Self>,
        template: &str,
        values: &Value,
        output: &mut Vec<u8>,
    ) -> Result<(), Stopped> {
        *lock(&self.assets) = Assets::default();
        *lock(&self.need) = None;
        let scope = Value::from_object(Scope::new(Arc::clone(self), values.clone()));
        let rendered = self.templates.render_to(template, scope, output);
        rendered.map_err(|error| match lock(&self.need).take() {
            Some(need) => Stopped::Needs(need),
            None => Stopped::Failed(error),
        })
    }

    /// Stops the rendering, until there is what it needs.
    pub(super) fn stop(&self, need: Need) -> Error {
        *lock(&self.need) = Some(need);
        Error::new(ErrorKind::InvalidOperation, "the rendering has to wait")
    }

    /// Whether the rendering stops for something that it needs.
    pub(super) fn is_stopping(&self) -> bool {
        lock(&self.need).is_some()
    }

    pub(crate) fn set_facts(&self, facts: Facts) {
        let _ = self.facts.set(facts);
        self.templates.wants_facts.store(true, Ordering::Relaxed);
    }

    /// Whether some page before has asked for them.
    pub(crate) fn wants_facts(&self) -> bool {
        self.templates.wants_facts.load(Ordering::Relaxed)
    }

    pub(super) fn facts(&self) -> Result<&Facts, Error> {
        self.facts.get().ok_or_else(|| self.stop(Need::Facts))
    }

    pub(crate) fn set_later(&self, number: usize, value: Value) {
        if let Some(later) = self.later.get(number) {
            let _ = later.value.set(value);
        }
    }

    pub(crate) fn has_later(&self, number: usize) -> bool {
        self.later
            .get(number)
            .is_none_or(|later| later.value.get().is_some())
    }

    /// What the modules have for the head, that was not taken before, and for the body.
    pub(crate) fn take_assets(&self) -> (String, String) {
        let static_url = |path: &str| match &self.app.static_files {
            Some(files) => self.below_mount(files.static_url(path)),
            None => path.to_owned(),
        };
        let mut assets = lock(&self.assets);
        (assets.take_head(static_url), assets.body(static_url))
    }

    /// The text that stands for a slot until the page is done.
    pub(super) fn slot(&self, slot: Slot) -> String {
        self.slots.is_used.store(true, Ordering::Relaxed);
        let mut text = self.slots.mark().to_owned();
        // Writing to a String cannot fail.
        let _ = match slot {
            Slot::XsrfForm => write!(text, "fz"),
            Slot::XsrfToken => write!(text, "tz"),
            Slot::Rows(number) => write!(text, "r{number}z"),
        };
        text
    }

    pub(crate) fn rows_slot(&self, number: usize) -> Value {
        Value::from_safe_string(self.slot(Slot::Rows(number)))
    }

    /// Finds the first slot in a text: what stands before it, the slot, and what follows.
    pub(crate) fn split_slot<'a>(&self, text: &'a str) -> Option<(&'a str, Slot, &'a str)> {
        if !self.slots.is_used.load(Ordering::Relaxed) {
            return None;
        }
        let (before, after) = text.split_once(self.slots.mark())?;
        let (name, after) = after.split_once('z')?;
        let slot = match name.split_at_checked(1)? {
            ("f", "") => Slot::XsrfForm,
            ("t", "") => Slot::XsrfToken,
            ("r", number) => Slot::Rows(number.parse().ok()?),
            _ => return None,
        };
        Some((before, slot, after))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a rendering did not come to its end.
pub(crate) enum Stopped {
    Needs(Need),
    Failed(super::TemplateError),
}

/// The variables of one template of a page.
pub(super) struct Scope {
    pub(super) page: Arc<Page>,
    values: Value,
    /// The template that `modules.Template` renders.
    module: Option<Arc<str>>,
}

impl Scope {
    pub(super) fn new(page: Arc<Page>, values: Value) -> Self {
        Self {
            page,
            values,
            module: None,
        }
    }

    /// The variables of a template that is a module by itself. It sees no values that have to be waited for.
    pub(super) fn of_module(page: Arc<Page>, template: &str, values: Value) -> Self {
        Self {
            page,
            values,
            module: Some(template.into()),
        }
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the values: they may be secrets.
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if let Ok(value) = self.values.get_attr(key)
            && !value.is_undefined()
        {
            return Some(value);
        }
        let page = &self.page;
        if self.module.is_none()
            && let Some(number) = page.later.iter().position(|later| later.name == key)
        {
            let value = page
                .later
                .get(number)
                .and_then(|later| later.value.get().cloned());
            return Some(value.unwrap_or_else(|| page.stop(Need::Later(number)).into()));
        }
        if let Some((_, value)) = page.named.iter().find(|(name, _)| **name == *key) {
            return Some(value.clone());
        }
        match (key, &self.module) {
            ("set_resources", Some(template)) => {
                Some(names::resources(Arc::clone(page), Arc::clone(template)))
            }
            _ => Name::parse(key).map(|name| name.value(page)),
        }
    }
}
