//! Whether a server's gate is open (`trust.md` section 5).

use crate::error::{Error, ErrorKind, Result};

/// What was said about `allow_all_consumers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateFlag {
    /// The value of the highest source that gives one.
    pub value: Option<bool>,
    /// Whether that source is an argument of the server.
    pub is_argument: bool,
    /// Whether a lower source explicitly opened the gate.
    pub opened_below: bool,
}

/// The outcome for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateDecision {
    /// Whether every peer is admitted.
    pub open: bool,
    /// The configured root key; `None`: the server makes an ephemeral one.
    pub root_pubkey: Option<[u8; 32]>,
    /// What the operator must be told.
    pub warnings: Vec<String>,
}

/// Told in dev mode.
const DEV_MODE: &str = "Dev mode: allow_all_consumers=True (ephemeral root key). Set ASTER_ROOT_PUBKEY_FILE for \
                        production admission.";
/// Told when a gate is closed and no key could ever open it.
const CLOSED_WITHOUT_KEY: &str = "allow_all_consumers is false and there is no root key: nobody can be admitted";
const KEY_REQUIRED: &str = "root_pubkey is required when admission is enabled (allow_all_consumers=False or \
                            allow_all_producers=False). Set ASTER_ROOT_PUBKEY_FILE or pass root_pubkey= explicitly.";

/// Decides the gate: open only with an explicit true, or with neither root key nor flag from any source.
///
/// # Errors
///
/// CONFIG for an argument that closes a gate which a lower source opened, without a root key.
pub fn decide_gate(root_pubkey: Option<[u8; 32]>, flag: GateFlag) -> Result<GateDecision> {
    let (open, warning) = match (root_pubkey, flag.value) {
        (None, None) => (true, Some(DEV_MODE)),
        (None, Some(false)) if flag.is_argument && flag.opened_below => {
            return Err(Error::new(ErrorKind::Config, KEY_REQUIRED));
        }
        (None, Some(false)) => (false, Some(CLOSED_WITHOUT_KEY)),
        (None, Some(true)) => (true, None),
        (Some(_), flag) => (flag.unwrap_or(false), None),
    };
    Ok(GateDecision { open, root_pubkey, warnings: warning.map(str::to_owned).into_iter().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let key = Some([1; 32]);
        let flag = |value| GateFlag { value, is_argument: false, opened_below: false };
        for (root, value, open) in [
            (None, None, true),
            (None, Some(true), true),
            (None, Some(false), false),
            (key, None, false),
            (key, Some(true), true),
            (key, Some(false), false),
        ] {
            assert_eq!(decide_gate(root, flag(value)).unwrap().open, open, "{root:?} {value:?}");
        }
        let closing = GateFlag { value: Some(false), is_argument: true, opened_below: true };
        assert_eq!(decide_gate(None, closing).unwrap_err().kind(), ErrorKind::Config);
        assert!(!decide_gate(key, closing).unwrap().open);
    }
}
