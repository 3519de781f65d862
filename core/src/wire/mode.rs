//! Modes of message bodies: negotiation, and the first byte of a body (`wire.md` section 11).

use super::Form;

/// Encoding of message bodies, as a header names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Codec bytes.
    Xlang,
    /// Codec bytes, or the optional native codec.
    Native,
    /// Bounded rows.
    Row,
    /// Strict JSON.
    Json,
}

/// What a client uses for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Mode of bodies.
    pub mode: Mode,
    /// Form of headers.
    pub form: Form,
    /// Whether sessions end every call with a trailer.
    pub session_trailers: bool,
}

/// What the first byte of a body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniff {
    /// Codec bytes.
    Xlang,
    /// JSON.
    Json,
    /// A body of a legacy peer; no codec ever sees it.
    Legacy,
    /// For the optional native codec.
    Native,
    /// None of these.
    Invalid,
    /// There is no byte.
    Empty,
}

impl Sniff {
    /// Returns the name of the decision.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xlang => "xlang",
            Self::Json => "json",
            Self::Legacy => "legacy",
            Self::Native => "native",
            Self::Invalid => "invalid",
            Self::Empty => "empty",
        }
    }
}

const XLANG_TOKEN: &str = "fory1";
const JSON_TOKEN: &str = "json";

impl Mode {
    /// Returns the number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Self::Xlang => 0,
            Self::Native => 1,
            Self::Row => 2,
            Self::Json => 3,
        }
    }

    /// Returns the mode with a number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Xlang, Self::Native, Self::Row, Self::Json].into_iter().find(|mode| mode.number() == number)
    }

    /// Returns the name of the mode in contracts and APIs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xlang => "xlang",
            Self::Native => "native",
            Self::Row => "row",
            Self::Json => "json",
        }
    }

    /// Returns the token under which servers list the mode.
    pub fn token(self) -> &'static str {
        match self {
            Self::Xlang => XLANG_TOKEN,
            Self::Json => JSON_TOKEN,
            Self::Native | Self::Row => self.name(),
        }
    }

    /// Returns the mode of a header if a service with these contract modes accepts it: XLANG and JSON always,
    /// NATIVE where enabled. ROW is for streams of rows, which this version does not have.
    pub fn accepted(number: u8, contract_modes: &[String]) -> Option<Self> {
        let mode = Self::from_number(number)?;
        match mode {
            Self::Xlang | Self::Json => Some(mode),
            Self::Native => contract_modes.iter().any(|name| name == mode.name()).then_some(mode),
            Self::Row => None,
        }
    }
}

/// Returns what a client uses for a service that lists these tokens.
pub fn choose(tokens: &[String]) -> Choice {
    if tokens.iter().any(|token| token == XLANG_TOKEN) {
        Choice { mode: Mode::Xlang, form: Form::Binary, session_trailers: true }
    } else {
        Choice { mode: Mode::Json, form: Form::Json, session_trailers: false }
    }
}

/// Returns the tokens that a server lists for a service with these contract modes.
pub fn advertised_modes(contract_modes: &[String]) -> Vec<String> {
    let native = contract_modes.iter().any(|name| name == Mode::Native.name());
    let tokens = [Some(XLANG_TOKEN), Some(JSON_TOKEN), native.then_some(Mode::Native.name())];
    tokens.into_iter().flatten().map(str::to_owned).collect()
}

/// Decides by the first byte what a body is; nothing else is guessed.
pub fn sniff(mode: Mode, body: &[u8]) -> Sniff {
    match (mode, body.first()) {
        (_, None) => Sniff::Empty,
        (Mode::Json, _) => Sniff::Json,
        (_, Some(0x01)) => Sniff::Xlang,
        (Mode::Xlang, Some(b'{')) => Sniff::Json,
        (Mode::Xlang, Some(0x02)) => Sniff::Legacy,
        (Mode::Native, Some(_)) => Sniff::Native,
        _ => Sniff::Invalid,
    }
}
