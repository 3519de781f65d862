//! What JavaScript knows of the places of a schema: number or bigint, `Map` or record, classes and enum values.

use std::rc::Rc;

use aster_core::codec::{Kind, Schema, TypePlan};
use serde_json::Value;

use crate::js::{Js, Persistent, Scope};

/// Functions of the package that work on JavaScript's own containers.
pub(crate) struct Helpers {
    /// `Set` to array; null for anything else.
    pub(super) set_items: Persistent,
    /// Array to `Set`.
    pub(super) set_of: Persistent,
    /// `Map` to an array of keys and values in turn; null for anything else.
    pub(super) map_entries: Persistent,
    /// Makes a `Map`.
    pub(super) map_new: Persistent,
    /// Adds an entry; false if the key is there.
    pub(super) map_put: Persistent,
    /// Plain object to an array of keys and values in turn; null for anything else.
    pub(super) record_entries: Persistent,
    /// Makes an object without a prototype.
    pub(super) record_new: Persistent,
    /// Adds a property; false if it is there.
    pub(super) record_put: Persistent,
    /// Text of a date to days since 1970; null for anything else.
    pub(super) date_days: Persistent,
    /// Days since 1970 to the text of a date.
    pub(super) date_text: Persistent,
}

impl Helpers {
    /// Takes the functions from the object that holds them.
    pub(crate) fn new(scope: Scope, from: Js) -> Option<Self> {
        let take = |name| Persistent::new(scope, scope.member(from, name)?);
        Some(Self {
            set_items: take(c"setItems")?,
            set_of: take(c"setOf")?,
            map_entries: take(c"mapEntries")?,
            map_new: take(c"mapNew")?,
            map_put: take(c"mapPut")?,
            record_entries: take(c"recordEntries")?,
            record_new: take(c"recordNew")?,
            record_put: take(c"recordPut")?,
            date_days: take(c"dateDays")?,
            date_text: take(c"dateText")?,
        })
    }
}

/// How JavaScript holds the values of one place, where there is a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// number, `Map`, `Date`, milliseconds.
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
    /// Object with string keys.
    Record,
}

/// The functions of a message's class.
pub(super) struct MessageHost {
    /// Value to array of fields; null: another type; string: JSON list of unknown properties.
    pub(super) open: Persistent,
    /// Fields to instance.
    pub(super) make: Persistent,
}

/// The value of an enum member.
pub(super) enum Member {
    Number(f64),
    Text(String),
}

/// The JavaScript side of a schema.
pub(crate) struct HostTypes {
    pub(super) helpers: Rc<Helpers>,
    /// By [`TypePlan::node`].
    forms: Vec<Form>,
    /// By message number.
    messages: Vec<Option<MessageHost>>,
    /// By enum number, members in the order of the schema.
    enums: Vec<Vec<Member>>,
}

impl HostTypes {
    /// Joins a schema with the declarations of the package: `{"forms": {tag: [form, ..]}, "enums": {tag: {name: value}}}`,
    /// where a form is a name or `[name, forms of the parts ..]`. `functions` is `[tag, open, make, ..]`.
    pub(crate) fn new(
        scope: Scope,
        schema: &Schema,
        declared: &Value,
        functions: Js,
        helpers: Rc<Helpers>,
    ) -> Option<Self> {
        let mut out = Self {
            helpers,
            forms: vec![Form::default(); schema.node_count()],
            messages: schema.messages().map(|_| None).collect(),
            enums: schema.enums().map(|_| Vec::new()).collect(),
        };
        for message in schema.messages() {
            let Some(forms) = declared["forms"][&*message.tag].as_array() else { continue };
            for (field, form) in message.fields.iter().zip(forms) {
                out.place(&field.ty, form);
            }
        }
        for choices in schema.enums() {
            let values = &declared["enums"][&*choices.tag];
            out.enums[choices.id.index()] =
                choices.members.iter().map(|member| host_member(&values[&*member.name])).collect();
        }
        let mut at = 0;
        while at < scope.length(functions) {
            let tag = scope.get_text(scope.get(functions, at)?)?;
            let open = Persistent::new(scope, scope.get(functions, at + 1)?)?;
            let make = Persistent::new(scope, scope.get(functions, at + 2)?)?;
            if let Some(message) = schema.message_by_tag(&tag) {
                out.messages[message.id.index()] = Some(MessageHost { open, make });
            }
            at += 3;
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
                "record" => Form::Record,
                _ => Form::Plain,
            };
        }
        for (ty, form) in ty.parts().iter().zip(parts) {
            self.place(ty, form);
        }
    }

    pub(super) fn form(&self, ty: &TypePlan) -> Form {
        self.forms.get(ty.node() as usize).copied().unwrap_or_default()
    }

    pub(super) fn message(&self, index: usize) -> Option<&MessageHost> {
        self.messages.get(index)?.as_ref()
    }

    /// Returns the values of the members of an enum.
    pub(super) fn members(&self, ty: &TypePlan) -> &[Member] {
        match ty.kind() {
            Kind::Enum(id) => self.enums.get(id.index()).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }
}

fn host_member(value: &Value) -> Member {
    match value.as_f64() {
        Some(number) => Member::Number(number),
        None => Member::Text(value.as_str().unwrap_or_default().to_owned()),
    }
}
