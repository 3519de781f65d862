//! Compiled types: what the walks over values and bytes are driven by (`codec.md` section 2).
//!
//! Not here: how they come to be ([`super::compile`]).

use std::sync::Arc;

/// Number of a message type in its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub u32);

impl MessageId {
    /// Returns the position in [`super::Schema::messages`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Number of an enum in its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnumId(pub u32);

impl EnumId {
    /// Returns the position in [`super::Schema::enums`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

pub(super) const BOOL: u8 = 1;
pub(super) const FLOAT32: u8 = 19;
pub(super) const FLOAT64: u8 = 20;
pub(super) const STRING: u8 = 21;
pub(super) const LIST: u8 = 22;
pub(super) const SET: u8 = 23;
pub(super) const MAP: u8 = 24;
pub(super) const ENUM: u8 = 25;
pub(super) const NAMED_ENUM: u8 = 26;
pub(super) const MESSAGE: u8 = 30;
pub(super) const DURATION: u8 = 37;
pub(super) const TIMESTAMP: u8 = 38;
pub(super) const DATE: u8 = 39;
pub(super) const DECIMAL: u8 = 40;
pub(super) const BINARY: u8 = 41;

macro_rules! integers {
    ($($variant:ident = $id:literal, $name:literal, $domain:ty, $size:literal;)*) => {
        /// An integer type: domain and encoding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Integer {
            $(#[doc = concat!("The contract type `", $name, "`.")] $variant,)*
        }

        impl Integer {
            /// Returns the name of the contract type.
            pub const fn name(self) -> &'static str {
                match self { $(Integer::$variant => $name,)* }
            }

            /// Returns the number of the type on the wire.
            pub const fn id(self) -> u8 {
                match self { $(Integer::$variant => $id,)* }
            }

            /// Returns the bytes of the domain.
            pub const fn size(self) -> u8 {
                match self { $(Integer::$variant => $size,)* }
            }

            /// Tells whether a number is in the domain.
            pub const fn holds(self, value: i128) -> bool {
                match self {
                    $(Integer::$variant => value >= <$domain>::MIN as i128 && value <= <$domain>::MAX as i128,)*
                }
            }

            /// Tells whether the domain has negative numbers.
            pub const fn is_signed(self) -> bool {
                match self { $(Integer::$variant => <$domain>::MIN != 0,)* }
            }

            /// Returns the type with a number on the wire.
            pub(super) const fn from_id(id: u8) -> Option<Self> {
                match id { $($id => Some(Integer::$variant),)* _ => None }
            }
        }
    };
}

integers! {
    Int8 = 2, "int8", i8, 1;
    Int16 = 3, "int16", i16, 2;
    Int32 = 4, "int32", i32, 4;
    VarInt32 = 5, "varint32", i32, 4;
    Int64 = 6, "int64", i64, 8;
    VarInt64 = 7, "varint64", i64, 8;
    Uint8 = 9, "uint8", u8, 1;
    Uint16 = 10, "uint16", u16, 2;
    Uint32 = 11, "uint32", u32, 4;
    VarUint32 = 12, "var_uint32", u32, 4;
    Uint64 = 13, "uint64", u64, 8;
    VarUint64 = 14, "var_uint64", u64, 8;
}

impl Integer {
    const fn is_variable(self) -> bool {
        matches!(self, Integer::VarInt32 | Integer::VarInt64 | Integer::VarUint32 | Integer::VarUint64)
    }
}

/// What a value of a type is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Text.
    String,
    /// Truth value.
    Bool,
    /// Bytes.
    Binary,
    /// Whole number.
    Integer(Integer),
    /// Number of 8 bytes.
    Float64,
    /// Number of 4 bytes.
    Float32,
    /// Microseconds since 1970 in UTC.
    Timestamp,
    /// Days since 1970-01-01.
    Date,
    /// Microseconds.
    Duration,
    /// Decimal number with a scale.
    Decimal,
    /// Member of an enum.
    Enum(EnumId),
    /// Message.
    Message(MessageId),
    /// Ordered elements.
    List(Box<TypePlan>),
    /// Distinct elements.
    Set(Box<TypePlan>),
    /// Key and value.
    Map(Box<[TypePlan; 2]>),
}

/// A type at one place of a schema: kind, nullability, and how it stands on the wire.
#[derive(Clone, Debug)]
pub struct TypePlan {
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    /// Number of the declared type.
    pub(super) id: u8,
    /// Number of the type the bytes have; another one only if a peer declared another.
    pub(super) wire: u8,
    /// Whether a null flag precedes the value on the wire.
    pub(super) wire_nullable: bool,
    pub(super) node: u32,
    pub(super) text: Arc<str>,
}

impl TypePlan {
    /// Returns what a value is.
    #[inline]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Tells whether null is a value.
    #[inline]
    pub fn nullable(&self) -> bool {
        self.nullable
    }

    /// Returns the number of this place in its schema, below [`super::Schema::node_count`].
    ///
    /// A front end keeps what it knows of a place, such as the host type to build, in a table by this number.
    #[inline]
    pub fn node(&self) -> u32 {
        self.node
    }

    /// Returns the type text without `?` and aliases.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the element type, or key and value types; empty if there is none.
    pub fn parts(&self) -> &[TypePlan] {
        match &self.kind {
            Kind::List(element) | Kind::Set(element) => std::slice::from_ref(&**element),
            Kind::Map(entry) => entry.as_slice(),
            _ => &[],
        }
    }

    pub(super) fn id(&self) -> u8 {
        self.id
    }

    /// Tells whether a value has no parts of its own.
    #[inline]
    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self.kind, Kind::Message(_) | Kind::List(_) | Kind::Set(_) | Kind::Map(_))
    }

    /// Returns what orders fields on the wire before their names do.
    pub(super) fn order(&self) -> (u8, bool, u8, u8) {
        let (variable, size) = match self.kind {
            Kind::Bool => (false, 1),
            Kind::Integer(integer) => (integer.is_variable(), integer.size()),
            Kind::Float32 => (false, 4),
            Kind::Float64 => (false, 8),
            _ => return (2, false, 0, 0),
        };
        // Wide numbers come first.
        (u8::from(self.nullable), variable, u8::MAX - size, self.id)
    }
}

/// One field of a body.
#[derive(Debug)]
pub(super) struct WireField {
    /// Position of the field in its message.
    pub(super) index: usize,
    pub(super) ty: TypePlan,
}

/// How the bodies of one type definition are laid out, in terms of the local message.
#[derive(Debug)]
pub(super) struct WirePlan {
    /// Fields in the order of the body.
    pub(super) fields: Vec<WireField>,
    /// Positions of the fields that are not in the body.
    pub(super) absent: Vec<usize>,
    /// Whether a body is all fields, and none of them has parts: it needs no frame of its own in a walk.
    pub(super) flat: bool,
}

impl WirePlan {
    pub(super) fn new(fields: Vec<WireField>, absent: Vec<usize>) -> Self {
        let flat = absent.is_empty() && fields.iter().all(|field| field.ty.is_scalar());
        Self { fields, absent, flat }
    }
}

/// Returns the name of a type number for messages.
pub(super) fn type_name(id: u32) -> String {
    let known = u8::try_from(id).ok();
    if let Some(integer) = known.and_then(Integer::from_id) {
        return integer.name().to_owned();
    }
    let name = match known {
        Some(BOOL) => "bool",
        Some(FLOAT32) => "float32",
        Some(FLOAT64) => "float64",
        Some(STRING) => "string",
        Some(LIST) => "list",
        Some(SET) => "set",
        Some(MAP) => "map",
        Some(ENUM) => "enum",
        Some(MESSAGE) => "struct",
        Some(DURATION) => "duration",
        Some(TIMESTAMP) => "timestamp",
        Some(DATE) => "date",
        Some(DECIMAL) => "decimal",
        Some(BINARY) => "binary",
        _ => return id.to_string(),
    };
    name.to_owned()
}
