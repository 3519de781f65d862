//! What an operator is told at the start about who may call what (`trust.md` section 13).

use tracing::{info, warn};

use super::server::Server;
use crate::contract::ServiceDescription;

/// Methods that the line of a closed gate names.
const SHOWN_METHODS: usize = 32;

impl Server {
    /// Returns a warning for each service that everybody may call because the gate is open: it is not public, requires
    /// nothing, and is not among those that the program itself guards, by name. They are logged, too. For a closed
    /// gate the log has one line instead, of the methods that every admitted peer may call.
    pub fn start_report(&self, guarded: &[String]) -> Vec<String> {
        let plans = self.plans();
        let descriptions = plans.iter().map(|plan| plan.contract().description());
        let asked = descriptions.filter(|service| !service.public && !guarded.contains(&service.service));
        if self.is_open() {
            let warnings: Vec<_> = asked.filter(|service| !has_requirement(service)).map(warning).collect();
            warnings.iter().for_each(|text| warn!(target: "aster::server", "{text}"));
            return warnings;
        }
        let free: Vec<_> = asked.flat_map(free_methods).collect();
        if !free.is_empty() {
            let shown = free.get(..SHOWN_METHODS).unwrap_or(&free).join(", ");
            let more = free.len().saturating_sub(SHOWN_METHODS);
            info!(target: "aster::server", methods = shown, more, "methods that every admitted peer may call");
        }
        Vec::new()
    }
}

fn has_requirement(service: &ServiceDescription) -> bool {
    service.requires.is_some() || service.methods.iter().any(|method| method.requires.is_some())
}

/// Returns the methods that ask for no capability.
fn free_methods(service: &ServiceDescription) -> Vec<String> {
    if service.requires.is_some() {
        return Vec::new();
    }
    let free = service.methods.iter().filter(|method| method.requires.is_none());
    free.map(|method| format!("{}.{}", service.service, method.name)).collect()
}

fn warning(service: &ServiceDescription) -> String {
    format!(
        "Service '{}' has no authorization configured and Gate 0 is disabled (allow_all_consumers=True). All consumers \
         can call this service without authentication. Add @service(requires=...) or configure an auth interceptor for \
         production use.",
        service.service
    )
}
