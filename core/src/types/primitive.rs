//! The primitive types and their names.
//!
//! Not here: their bytes ([`crate::codec`]).

use std::fmt;

macro_rules! primitives {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A type without parts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Primitive {
            $($(#[$doc])* $variant,)*
        }

        impl Primitive {
            /// Every primitive.
            pub const ALL: &'static [Primitive] = &[$(Primitive::$variant,)*];

            /// Returns the name in type texts.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Primitive::$variant => $name,)*
                }
            }

            /// Parses a name or an alias (`int`, `float`, `bytes`, `uuid`).
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($name => Some(Primitive::$variant),)*
                    "int" => Some(Primitive::VarInt64),
                    "float" => Some(Primitive::Float64),
                    "bytes" => Some(Primitive::Binary),
                    "uuid" => Some(Primitive::String),
                    _ => None,
                }
            }
        }
    };
}

primitives! {
    /// Text.
    String = "string";
    /// True or false.
    Bool = "bool";
    /// Bytes; alias `bytes`.
    Binary = "binary";
    /// Signed 8-bit integer.
    Int8 = "int8";
    /// Signed 16-bit integer.
    Int16 = "int16";
    /// Signed 32-bit integer of fixed width.
    Int32 = "int32";
    /// Signed 32-bit integer of variable width.
    VarInt32 = "varint32";
    /// Signed 64-bit integer of fixed width.
    Int64 = "int64";
    /// Signed 64-bit integer of variable width; alias `int`.
    VarInt64 = "varint64";
    /// Unsigned 8-bit integer.
    Uint8 = "uint8";
    /// Unsigned 16-bit integer.
    Uint16 = "uint16";
    /// Unsigned 32-bit integer of fixed width.
    Uint32 = "uint32";
    /// Unsigned 32-bit integer of variable width.
    VarUint32 = "var_uint32";
    /// Unsigned 64-bit integer of fixed width.
    Uint64 = "uint64";
    /// Unsigned 64-bit integer of variable width.
    VarUint64 = "var_uint64";
    /// Single-precision number.
    Float32 = "float32";
    /// Double-precision number; alias `float`.
    Float64 = "float64";
    /// Point in time.
    Timestamp = "timestamp";
    /// Calendar day.
    Date = "date";
    /// Span of time.
    Duration = "duration";
    /// Decimal number of any precision.
    Decimal = "decimal";
}

impl Primitive {
    /// Tells whether map keys may have this type: strings, integers and bools may.
    pub const fn is_key(self) -> bool {
        use Primitive as P;
        !matches!(self, P::Binary | P::Float32 | P::Float64 | P::Timestamp | P::Date | P::Duration | P::Decimal)
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
