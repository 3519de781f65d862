//! What JavaScript knows of the places of a schema: number or bigint, and the classes of messages.

use std::rc::Rc;

use aster_core::codec::{Schema, TypePlan};
use serde_json::{Value, json};

use super::tape::Tapes;
use crate::js::{Js, Persistent, Scope, Thrown};

/// How JavaScript holds the values of one place, where core has to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// number, milliseconds, text.
    #[default]
    Plain,
    /// bigint of an integer.
    BigInt,
    /// Text in the form of a UUID.
    Uuid,
    /// bigint of microseconds.
    Micros,
    /// `Date`, rounded to milliseconds when read.
    Rounded,
}

/// The JavaScript side of a schema.
pub(crate) struct HostTypes {
    pub(super) tapes: Rc<Tapes>,
    /// Builds a value from its slots.
    pub(super) build: Persistent,
    /// By [`TypePlan::node`].
    forms: Vec<Form>,
    /// Numbers of the package by message number.
    messages: Vec<Option<u32>>,
    /// Whether values come without classes: what they cannot tell is null.
    pub(super) plain: bool,
    /// Whether a bigint that is all of a value becomes a number if it is safe.
    pub(super) narrow: bool,
}

impl HostTypes {
    /// Joins a schema with the declarations of the package: `{"messages": [tag, ..], "forms": {tag: [form, ..]}}`,
    /// where a form is a name or `[name, forms of the parts ..]`. `build` makes a value from its slots. Without classes
    /// there is `"plain"` as well: `"narrow"`, or `"wide"` if bare integers are always bigint.
    pub(crate) fn new(scope: Scope, schema: &Schema, declared: &Value, build: Js, tapes: Rc<Tapes>) -> Option<Self> {
        let mut out = Self {
            tapes,
            build: Persistent::new(scope, build)?,
            forms: vec![Form::default(); schema.node_count()],
            messages: schema.messages().map(|_| None).collect(),
            plain: declared["plain"].is_string(),
            narrow: declared["plain"] == "narrow",
        };
        let integer = schema.root("int").ok().and_then(|root| schema.root_type(root));
        if let (true, Some(integer)) = (out.plain, integer) {
            out.place(integer, &json!("bigint"));
        }
        for message in schema.messages() {
            let Some(forms) = declared["forms"][&*message.tag].as_array() else { continue };
            for (field, form) in message.fields.iter().zip(forms) {
                out.place(&field.ty, form);
            }
        }
        for (number, tag) in (0..).zip(declared["messages"].as_array()?) {
            if let Some(message) = schema.message_by_tag(tag.as_str()?) {
                out.messages[message.id.index()] = Some(number);
            }
        }
        Some(out)
    }

    fn place(&mut self, ty: &TypePlan, form: &Value) {
        let (name, parts) = match form {
            Value::Array(form) => (form.first().and_then(Value::as_str), form.get(1..).unwrap_or_default()),
            form => (form.as_str(), &[][..]),
        };
        if let Some(place) = self.forms.get_mut(ty.node() as usize) {
            *place = match name.unwrap_or_default() {
                "bigint" => Form::BigInt,
                "uuid" => Form::Uuid,
                "micros" => Form::Micros,
                "rounded" => Form::Rounded,
                _ => Form::Plain,
            };
        }
        for (ty, form) in ty.parts().iter().zip(parts) {
            self.place(ty, form);
        }
    }

    /// Makes a value from a body that the package decodes itself.
    pub(crate) fn parse(&self, scope: Scope, body: &str) -> Result<Js, Thrown> {
        let text = scope.text(body).ok_or_else(|| Thrown("the text is too long".to_owned()))?;
        scope.call(self.build.get(scope), &[text])
    }

    #[inline]
    pub(super) fn form(&self, ty: &TypePlan) -> Form {
        self.forms.get(ty.node() as usize).copied().unwrap_or_default()
    }

    /// Returns the number that a message has in the package.
    pub(super) fn message(&self, index: usize) -> Option<u32> {
        self.messages.get(index).copied().flatten()
    }
}
