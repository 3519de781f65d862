//! A service as both sides of a call use it: its contract, compiled once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::{RootId, Schema};
use crate::contract::{Contract, MethodDescription, ServiceDescription};
use crate::error::Result;

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
        let contract = Contract::new(description)?;
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
}
