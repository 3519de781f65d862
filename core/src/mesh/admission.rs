//! The answer of producer admission (`trust.md` section 11).

use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::ids::EndpointId;
use crate::limits;
use crate::trust::strict_json;

/// What a producer is told that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Salt of the mesh.
    pub salt: [u8; 32],
    /// Members, sorted.
    pub producers: Vec<EndpointId>,
}

/// Returns the denial: one text for every cause.
pub fn producer_denial() -> String {
    json!({"accepted": false, "salt": "", "accepted_producers": [], "reason": ""}).to_string()
}

impl Accepted {
    /// Returns the document.
    pub fn to_json(&self) -> String {
        let ids: Vec<_> = self.producers.iter().map(ToString::to_string).collect();
        json!({"accepted": true, "salt": hex::encode(self.salt), "accepted_producers": ids, "reason": ""}).to_string()
    }

    /// Reads the answer of a responder, who must be on the list; `None`: it refused.
    ///
    /// # Errors
    ///
    /// CONNECT if the answer is unusable.
    pub fn parse(bytes: &[u8], responder: &EndpointId) -> Result<Option<Self>> {
        let unusable = || Error::new(ErrorKind::Connect, "unusable reply of producer admission");
        let document = strict_json(bytes).map_err(|_| unusable())?;
        match document.get("accepted").and_then(Value::as_bool) {
            Some(true) => {}
            Some(false) => return Ok(None),
            None => return Err(unusable()),
        }
        let id = |value: &Value| EndpointId::parse(value.as_str()?).ok();
        let list = document.get("accepted_producers").and_then(Value::as_array).ok_or_else(unusable)?;
        if list.len() > limits::MAX_MESH_MEMBERS {
            return Err(unusable());
        }
        let producers: Vec<_> = list.iter().map(id).collect::<Option<_>>().ok_or_else(unusable)?;
        let mut salt = [0; 32];
        let text = document.get("salt").and_then(Value::as_str).ok_or_else(unusable)?;
        hex::decode_to_slice(text, &mut salt).map_err(|_| unusable())?;
        match producers.contains(responder) {
            true => Ok(Some(Self { salt, producers })),
            false => Err(unusable()),
        }
    }
}
