//! A service as both sides of a call use it: its contract, compiled once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::{self, CodecError, RootId, RowReader, Schema, Sink, Source};
use crate::contract::{Contract, MethodDescription, ServiceDescription};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{self, Mode, Sniff};

/// A service description with its contract id, its compiled schema and its methods.
pub struct ServicePlan {
    contract: Arc<Contract>,
    schema: Arc<Schema>,
    methods: Vec<MethodPlan>,
    by_name: HashMap<String, usize>,
}

/// One method of a [`ServicePlan`].
pub struct MethodPlan {
    /// The description it was made from.
    pub description: MethodDescription,
    /// Root type of requests.
    pub request: RootId,
    /// Root type of responses.
    pub response: RootId,
    /// Deadline of calls that give none, in milliseconds.
    pub timeout_ms: Option<u64>,
}

impl ServicePlan {
    /// Compiles a description.
    ///
    /// # Errors
    ///
    /// CONTRACT if the description breaks a rule of `contract.md`.
    pub fn new(description: ServiceDescription) -> Result<Arc<Self>> {
        Self::from_contract(Contract::new(description)?)
    }

    /// Compiles the types of a contract.
    ///
    /// # Errors
    ///
    /// CONTRACT if they break a rule of `codec.md`.
    pub fn from_contract(contract: Arc<Contract>) -> Result<Arc<Self>> {
        let description = contract.description();
        let schema = Schema::compile(&description.types)?;
        let mut methods = Vec::with_capacity(description.methods.len());
        let mut by_name = HashMap::with_capacity(description.methods.len());
        for method in &description.methods {
            by_name.insert(method.name.clone(), methods.len());
            methods.push(MethodPlan {
                request: schema.root(&method.request)?,
                response: schema.root(&method.response)?,
                timeout_ms: method.timeout_s.map(|seconds| (seconds * 1000.0).ceil() as u64),
                description: method.clone(),
            });
        }
        Ok(Arc::new(Self { schema, methods, by_name, contract }))
    }

    /// Compiles a description in its JSON form (`contract.md` section 3).
    ///
    /// # Errors
    ///
    /// CONTRACT if the text is no description or breaks a rule.
    pub fn from_json(text: &str) -> Result<Arc<Self>> {
        Self::new(ServiceDescription::from_json(text)?)
    }

    /// Returns the service name.
    pub fn name(&self) -> &str {
        &self.contract.description().service
    }

    /// Returns the service version.
    pub fn version(&self) -> i32 {
        self.contract.description().version
    }

    /// Returns the contract.
    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// Returns the tokens of the modes that a server lists for the service.
    pub fn advertised_modes(&self) -> Vec<String> {
        wire::advertised_modes(&self.contract.description().serialization_modes)
    }

    /// Returns the compiled types.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Returns the methods in declared order.
    pub fn methods(&self) -> &[MethodPlan] {
        &self.methods
    }

    /// Returns the position of a method.
    pub fn method_index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Finds a type that payloads may have: a message tag, or a bare `string int float bool bytes`.
    ///
    /// # Errors
    ///
    /// NOT_FOUND if there is none.
    pub fn root(&self, text: &str) -> Result<RootId> {
        self.schema.root(text).map_err(|error| Error::new(ErrorKind::NotFound, error.message()))
    }

    /// Encodes a value outside of any call: the payload of a data frame before compression, one row in ROW mode.
    ///
    /// # Errors
    ///
    /// CODEC if the value does not fit its type, also for rows of what is no message.
    pub fn encode<S: Source>(&self, root: RootId, mode: Mode, source: &mut S, value: &S::Value) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        match mode {
            Mode::Xlang | Mode::Native => codec::encode_xlang(&self.schema, root, source, value, &mut out),
            Mode::Json => codec::encode_json(&self.schema, root, source, value, &mut out),
            Mode::Row => codec::encode_row(&self.schema, root, source, value, &mut out),
        }
        .map_err(refused)?;
        Ok(out)
    }

    /// Decodes a payload outside of any call. Without a mode its first byte decides between XLANG and JSON; a row has to
    /// come from a writer with the same types, as it does not tell.
    ///
    /// # Errors
    ///
    /// CODEC with status 3 if it is malformed, 101 if it does not fit its type.
    pub fn decode<K: Sink>(&self, root: RootId, mode: Option<Mode>, body: &[u8], sink: &mut K) -> Result<K::Value> {
        let json = || wire::sniff(Mode::Xlang, body) == Sniff::Json;
        let mode = mode.unwrap_or_else(|| if json() { Mode::Json } else { Mode::Xlang });
        match mode {
            Mode::Xlang | Mode::Native => codec::decode_xlang(&self.schema, root, body, sink),
            Mode::Json => codec::decode_json(&self.schema, root, body, sink),
            Mode::Row => {
                let definitions = codec::encode_row_schema(&self.schema, root)?;
                RowReader::open(&self.schema, root, &definitions).and_then(|reader| reader.decode(body, sink))
            }
        }
        .map_err(refused)
    }
}

fn refused(error: CodecError) -> Error {
    Error::codec(error.for_local_encode())
}
