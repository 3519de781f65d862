//! The numbered kinds of a contract (`contract.md` section 1).
//!
//! Not here: the structures that use them ([`super::model`]).

use std::fmt;

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every kind, in ascending order of its number.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// Returns the number in canonical bytes.
            pub const fn number(self) -> u64 {
                match self {
                    $($name::$variant => $number,)*
                }
            }

            /// Returns the kind with a number.
            pub const fn from_number(number: u64) -> Option<Self> {
                match number {
                    $($number => Some($name::$variant),)*
                    _ => None,
                }
            }

            /// Returns the name in JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }

            fn by_name(text: &str) -> Option<Self> {
                match text {
                    $($text => Some($name::$variant),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

kinds! {
    /// What a field, element or key is.
    TypeKind {
        /// A primitive, by its name.
        #[default]
        Primitive = 0, "primitive";
        /// A type, by its hash.
        Ref = 1, "ref";
        /// A type of the same cycle, by its full name.
        SelfRef = 2, "self_ref";
        /// Anything. Declarations never produce it.
        Any = 3, "any";
    }
}

kinds! {
    /// How a field holds its values.
    ContainerKind {
        /// One value.
        #[default]
        None = 0, "none";
        /// A list.
        List = 1, "list";
        /// A set.
        Set = 2, "set";
        /// A map.
        Map = 3, "map";
    }
}

kinds! {
    /// What a type is.
    TypeDefKind {
        /// A record with named fields.
        #[default]
        Message = 0, "message";
        /// One of several names.
        Enum = 1, "enum";
        /// One of several types. Declarations never produce it.
        Union = 2, "union";
    }
}

kinds! {
    /// Who sends how many items in a call.
    MethodPattern {
        /// One request, one response.
        #[default]
        Unary = 0, "unary";
        /// One request, many responses.
        ServerStream = 1, "server_stream";
        /// Many requests, one response.
        ClientStream = 2, "client_stream";
        /// Many requests, many responses.
        BidiStream = 3, "bidi_stream";
    }
}

kinds! {
    /// How the roles of a requirement combine.
    CapabilityKind {
        /// The first role must be held.
        #[default]
        Role = 0, "role";
        /// One of the roles must be held.
        AnyOf = 1, "any_of";
        /// All roles must be held.
        AllOf = 2, "all_of";
    }
}

kinds! {
    /// How long an instance of a service lives.
    ScopeKind {
        /// One instance serves all calls.
        #[default]
        Shared = 0, "shared";
        /// Every session has its instance.
        Session = 1, "session";
    }
}

macro_rules! parse_by_name {
    ($($name:ident)*) => {
        $(impl $name {
            /// Parses the name in JSON.
            pub fn parse(text: &str) -> Option<Self> {
                Self::by_name(text)
            }
        })*
    };
}

parse_by_name! { TypeKind ContainerKind TypeDefKind MethodPattern CapabilityKind }

impl ScopeKind {
    /// Parses the name in JSON; `stream` is an old name of `session`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "stream" { Some(Self::Session) } else { Self::by_name(text) }
    }
}

impl MethodPattern {
    /// Tells whether the caller sends a stream of items.
    pub const fn streams_input(self) -> bool {
        matches!(self, MethodPattern::ClientStream | MethodPattern::BidiStream)
    }

    /// Tells whether the server sends a stream of items.
    pub const fn streams_output(self) -> bool {
        matches!(self, MethodPattern::ServerStream | MethodPattern::BidiStream)
    }
}
