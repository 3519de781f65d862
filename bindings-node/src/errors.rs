//! Errors of core as JavaScript errors, made by a function of the package.

use aster_core::error::{Error, ErrorKind};
use aster_core::status::RpcStatus;

use crate::js::{Js, Persistent, Scope};

/// Makes error objects; one per environment.
pub(crate) struct ErrorMaker(pub(crate) Persistent);

impl ErrorMaker {
    /// Makes the error object of a failure.
    ///
    /// The function gets kind number, kind name, status (-1: none), message, details in turn, and the cause.
    pub(crate) fn error(&self, scope: Scope, error: &Error) -> Js {
        let cause = error.cause().map_or_else(|| scope.undefined(), |cause| self.error(scope, cause));
        let status = error.status().map_or(-1, |status| status.0);
        self.make(scope, error.kind(), status, error.message(), error.details(), cause)
    }

    /// Makes the error object of a call that ended with a status other than OK.
    pub(crate) fn status(&self, scope: Scope, status: &RpcStatus) -> Js {
        self.make(scope, ErrorKind::Rpc, status.code.0, &status.message, &status.details, scope.undefined())
    }

    fn make(
        &self,
        scope: Scope,
        kind: ErrorKind,
        status: i32,
        message: &str,
        details: &[(String, String)],
        cause: Js,
    ) -> Js {
        let arguments = || {
            Some([
                scope.number(f64::from(kind.number()))?,
                scope.text(&kind.name().to_ascii_lowercase())?,
                scope.number(f64::from(status))?,
                scope.text(message)?,
                scope.pairs(details)?,
                cause,
            ])
        };
        let Some(arguments) = arguments() else { return scope.undefined() };
        scope.call(self.0.get(scope), &arguments).unwrap_or_else(|_| scope.undefined())
    }

    /// Makes a value, or the error object of its failure.
    pub(crate) fn either(&self, scope: Scope, outcome: Result<Js, Error>) -> Js {
        outcome.unwrap_or_else(|error| self.error(scope, &error))
    }
}

/// Makes the failure of a value that JavaScript could not hold.
pub(crate) fn no_value() -> Error {
    Error::new(ErrorKind::Internal, "a JavaScript value could not be made")
}
