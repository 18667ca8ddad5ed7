//! DataFusion's errors as PostgreSQL's. Our own travel through DataFusion wrapped and come out as
//! they were; of the rest only few can be a user's doing.

use std::error::Error;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use types::{SqlError, SqlState};

pub(crate) fn sql_error(error: DataFusionError) -> SqlError {
    known(&error).unwrap_or_else(|| {
        tracing::error!(%error, "an unexpected error of the query library");
        SqlError::internal("the query could not be executed").detail(error.strip_backtrace())
    })
}

pub(crate) fn wrapped(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The error that a user should see, where it is one that means something.
pub(crate) fn known(error: &DataFusionError) -> Option<SqlError> {
    match error {
        DataFusionError::External(inner) => boxed(inner.as_ref()),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => known(inner),
        DataFusionError::Shared(inner) => known(inner),
        DataFusionError::Collection(all) => all.iter().find_map(known),
        DataFusionError::ArrowError(inner, _) => arrow(inner),
        DataFusionError::ResourcesExhausted(_) => Some(crate::memory::exhausted()),
        DataFusionError::NotImplemented(what) => {
            Some(SqlError::new(SqlState::FeatureNotSupported, "this query is not supported").detail(what.clone()))
        }
        DataFusionError::IoError(inner) => Some(SqlError::new(SqlState::IoError, inner.to_string())),
        // A task of ours that died: a bug, or the process going down.
        DataFusionError::ExecutionJoin(_)
        | DataFusionError::Internal(_)
        | DataFusionError::Plan(_)
        | DataFusionError::Configuration(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::Execution(_)
        | DataFusionError::Substrait(_)
        | DataFusionError::Ffi(_) => None,
        // Variants that exist only with features that are off.
        #[allow(unreachable_patterns)]
        _ => None,
    }
}

fn boxed(error: &(dyn Error + Send + Sync + 'static)) -> Option<SqlError> {
    if let Some(error) = error.downcast_ref::<SqlError>() {
        return Some(error.clone());
    }
    if let Some(error) = error.downcast_ref::<DataFusionError>() {
        return known(error);
    }
    error.downcast_ref::<ArrowError>().and_then(arrow)
}

fn arrow(error: &ArrowError) -> Option<SqlError> {
    match error {
        ArrowError::ExternalError(inner) => boxed(inner.as_ref()),
        ArrowError::DivideByZero => Some(SqlError::new(SqlState::DivisionByZero, "division by zero")),
        ArrowError::ArithmeticOverflow(_) => Some(SqlError::new(SqlState::NumericValueOutOfRange, "bigint out of range")),
        ArrowError::MemoryError(_) | ArrowError::OffsetOverflowError(_) => Some(SqlError::new(SqlState::OutOfMemory, "out of memory")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn our_errors_come_out_of_every_wrapping() {
        let ours = SqlError::new(SqlState::DivisionByZero, "division by zero").hint("Don't.");
        let inner = || wrapped(ours.clone());
        let cases = [
            inner(),
            DataFusionError::Context("while".to_string(), Box::new(inner())),
            DataFusionError::Shared(Arc::new(inner())),
            DataFusionError::Collection(vec![DataFusionError::Plan("p".to_string()), inner()]),
            DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(Box::new(inner()))), None),
            DataFusionError::External(Box::new(DataFusionError::Shared(Arc::new(inner())))),
        ];
        for case in cases {
            assert_eq!(sql_error(case), ours);
        }
    }

    #[test]
    fn the_librarys_words_are_not_the_message() {
        let error = sql_error(DataFusionError::Internal("Arrow error: x".to_string()));
        assert_eq!(
            (error.state(), error.message()),
            (SqlState::InternalError, "the query could not be executed")
        );
    }
}
