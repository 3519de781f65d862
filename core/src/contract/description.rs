//! Service descriptions: what bindings declare, as JSON (`contract.md` section 3).
//!
//! Not here: the declarations of types ([`crate::types`]).

use std::collections::HashSet;

use serde_json::Value;

use crate::error::Result;
use crate::limits;
use crate::types::document::{self, Members, missing};
use crate::types::reason::{bad, quote, within};
use crate::types::tag::{checked_name, nfc};
use crate::types::{Docs, TypeDecl, TypeExpr, TypeTable};

use super::capability::CapabilityRequirement;
use super::kinds::{MethodPattern, ScopeKind};

/// The types a method may take or return without a message.
const BARE: [&str; 5] = ["string", "int", "float", "bool", "bytes"];
/// Modes of a service that names none.
const DEFAULT_MODES: [&str; 1] = ["xlang"];

/// A declared service.
#[derive(Clone, Debug)]
pub struct ServiceDescription {
    /// Service name (NFC).
    pub service: String,
    /// Service version.
    pub version: i32,
    /// How long an instance lives.
    pub scope: ScopeKind,
    /// Serialization modes in declared order.
    pub serialization_modes: Vec<String>,
    /// Roles a caller of any method must hold.
    pub requires: Option<CapabilityRequirement>,
    /// Whether the service is meant for everyone, so that an open gate needs no warning.
    pub public: bool,
    /// Language of the producer; empty unless mode `native` is listed.
    pub producer_language: String,
    /// Declared types.
    pub types: TypeTable,
    /// Methods in declared order.
    pub methods: Vec<MethodDescription>,
    /// Documentation.
    pub docs: Docs,
}

/// A declared method.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodDescription {
    /// Method name (NFC).
    pub name: String,
    /// Who sends how many items.
    pub pattern: MethodPattern,
    /// Tag of a message (NFC), or a bare `string`, `int`, `float`, `bool`, `bytes`.
    pub request: String,
    /// As `request`.
    pub response: String,
    /// Deadline in seconds of calls that give none; above zero.
    pub timeout_s: Option<f64>,
    /// Whether a call may be sent again.
    pub idempotent: bool,
    /// Roles a caller must hold beside those of the service.
    pub requires: Option<CapabilityRequirement>,
    /// How the request was written in the host's language.
    pub request_style: RequestStyle,
    /// Documentation.
    pub docs: Docs,
}

/// How a host's language writes the request of a method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestStyle {
    /// One message.
    #[default]
    Explicit,
    /// Parameters, which are the fields of a message made for the method.
    Inline,
}

impl RequestStyle {
    /// Returns the name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            RequestStyle::Explicit => "explicit",
            RequestStyle::Inline => "inline",
        }
    }
}

impl ServiceDescription {
    /// Reads a description.
    ///
    /// # Errors
    ///
    /// Kind CONTRACT with a reason that names service, method, type and field: not JSON, doubled and unknown keys,
    /// and every broken rule of `contract.md` section 3.
    pub fn from_json(text: &str) -> Result<Self> {
        Self::from_value(&document::parse(text)?)
    }

    /// Reads a description from parsed JSON.
    ///
    /// # Errors
    ///
    /// As [`ServiceDescription::from_json`].
    pub fn from_value(value: &Value) -> Result<Self> {
        let own = [
            "service",
            "version",
            "scoped",
            "serialization_modes",
            "requires",
            "public",
            "producer_language",
            "types",
            "methods",
            Docs::KEYS[0],
            Docs::KEYS[1],
            Docs::KEYS[2],
        ];
        let in_document = |e| within_document(value, &e);
        let members = Members::of(value, &own, &[]).map_err(in_document)?;
        let service = title("the service name", members.required_text("service")?)?;
        Self::read(&members, service).map_err(in_document)
    }

    fn read(members: &Members<'_>, service: String) -> Result<Self> {
        let scoped = members.text("scoped")?.unwrap_or(ScopeKind::Shared.name());
        let types = match members.value("types") {
            Some(types) => TypeTable::from_json(types)?,
            None => TypeTable::default(),
        };
        let methods = read_methods(members.list("methods")?.ok_or_else(|| missing("methods"))?, &types)?;
        let modes = members.texts("serialization_modes")?;
        Ok(Self {
            service,
            version: members.int32("version")?.ok_or_else(|| missing("version"))?,
            scope: ScopeKind::parse(scoped).ok_or_else(|| bad(format!("unknown `scoped` {}", quote(scoped))))?,
            serialization_modes: modes.unwrap_or_else(|| DEFAULT_MODES.map(str::to_owned).to_vec()),
            requires: read_requires(members)?,
            public: members.flag("public")?.unwrap_or_default(),
            producer_language: members.text("producer_language")?.unwrap_or_default().to_owned(),
            types,
            methods,
            docs: Docs::read(members)?,
        })
    }

    /// Returns the tags of the types that methods reach, sorted.
    pub(super) fn reached(&self) -> Vec<&str> {
        self.types.reachable(self.methods.iter().flat_map(|m| [m.request.as_str(), m.response.as_str()]))
    }
}

fn read_methods(declared: &[Value], types: &TypeTable) -> Result<Vec<MethodDescription>> {
    if declared.len() > limits::MAX_CONTRACT_METHODS {
        return Err(bad(format!("more than {} methods", limits::MAX_CONTRACT_METHODS)));
    }
    let mut names = HashSet::new();
    let mut methods = Vec::new();
    for value in declared {
        let method = MethodDescription::read(value, types)?;
        if !names.insert(method.name.clone()) {
            return Err(within("method", &method.name, &bad("the name is declared twice")));
        }
        methods.push(method);
    }
    Ok(methods)
}

impl MethodDescription {
    fn read(value: &Value, types: &TypeTable) -> Result<Self> {
        let own = ["name", "pattern", "request", "response", "timeout_s", "idempotent", "requires", "request_style"];
        let members = Members::of(value, &own, &Docs::KEYS)?;
        let name = title("a method name", members.required_text("name")?)?;
        let read = Self::read_members(&members, name.clone(), types);
        read.map_err(|e| within("method", &name, &e))
    }

    fn read_members(members: &Members<'_>, name: String, types: &TypeTable) -> Result<Self> {
        let pattern = members.required_text("pattern")?;
        let style = match members.text("request_style")? {
            None | Some("explicit") => RequestStyle::Explicit,
            Some("inline") => RequestStyle::Inline,
            Some(other) => return Err(bad(format!("unknown `request_style` {}", quote(other)))),
        };
        let request = root(members.required_text("request")?, types)?;
        if style == RequestStyle::Inline && types.get(&request).is_none() {
            return Err(bad("an inline request is a message"));
        }
        let timeout = members.number("timeout_s")?.unwrap_or_default();
        if !timeout.is_finite() || timeout < 0.0 {
            return Err(bad("`timeout_s` must be finite and not negative"));
        }
        Ok(Self {
            name,
            pattern: MethodPattern::parse(pattern).ok_or_else(|| bad(format!("unknown pattern {}", quote(pattern))))?,
            request,
            response: root(members.required_text("response")?, types)?,
            timeout_s: (timeout > 0.0).then_some(timeout),
            idempotent: members.flag("idempotent")?.unwrap_or_default(),
            requires: read_requires(members)?,
            request_style: style,
            docs: Docs::read(members)?,
        })
    }
}

/// Checks what a method takes or returns.
fn root(text: &str, types: &TypeTable) -> Result<String> {
    if BARE.contains(&text) {
        return Ok(text.to_owned());
    }
    match TypeExpr::parse(text)? {
        TypeExpr::Named(tag) => match types.get(&tag) {
            Some(TypeDecl::Message { .. }) => Ok(tag),
            Some(_) => Err(bad(format!("a method takes and returns messages; {} is an enum", quote(&tag)))),
            None => Err(bad(format!("unknown type {}", quote(&tag)))),
        },
        _ => Err(bad(format!("a method takes and returns a message or a bare scalar, not {}", quote(text)))),
    }
}

fn read_requires(members: &Members<'_>) -> Result<Option<CapabilityRequirement>> {
    match members.value("requires") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => CapabilityRequirement::from_description(value).map(Some),
    }
}

/// Checks the name of a service or method, which calls limit in characters.
fn title(what: &str, text: &str) -> Result<String> {
    let name = nfc(text).into_owned();
    if name.chars().nth(limits::MAX_NAME_CHARS).is_some() {
        return Err(bad(format!("{what} {} exceeds {} characters", quote(&name), limits::MAX_NAME_CHARS)));
    }
    if name.is_empty() { checked_name(what, &name) } else { Ok(name) }
}

fn within_document(value: &Value, error: &crate::error::Error) -> crate::error::Error {
    match value.get("service").and_then(Value::as_str) {
        Some(service) => within("service", service, error),
        None => bad(format!("service description: {}", error.message())),
    }
}
