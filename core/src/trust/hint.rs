//! What a client tells its user after a denial: the server says nothing about the cause (`trust.md` section 14).

const WITHOUT_CREDENTIAL: &str = "\
consumer admission denied -- this server requires a credential.
  - Get an enrollment credential file (.cred) from the server's operator.
  - Then retry with: --rcan <path/to/file.cred>
    (or set ASTER_ENROLLMENT_CREDENTIAL=<path> in the environment)";

/// Characters of the own id that are shown.
const SHOWN_ID: usize = 16;

/// Returns a few lines on what to do; `credential` is what the one that was presented is called.
pub fn denial_hint(credential: Option<&str>, endpoint_id: &str) -> String {
    let Some(credential) = credential else { return WITHOUT_CREDENTIAL.to_owned() };
    let node: String = endpoint_id.chars().take(SHOWN_ID).collect();
    format!(
        "consumer admission denied -- the server rejected your credential.
  credential: {credential}
  your node:  {node}...
  Common causes:
    1. the credential has expired
    2. the credential was issued to a DIFFERENT node
    3. the server trusts another root key
    4. the credential's role or capabilities do not fit"
    )
}
