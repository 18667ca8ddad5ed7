//! The proof that a request passed the gate.

/// Holds the request that was checked. What has an effect takes it by value or by reference and acts on [`Permit::asked`], never on
/// a name or path that came another way.
///
/// It can only come out of a gate: there is no constructor outside this crate.
///
/// ```compile_fail
/// let forged = policy::Permit { asked: policy::ReadClock };
/// ```
///
/// ```compile_fail
/// let forged = policy::Permit::new(policy::ReadClock);
/// ```
///
/// Nor can one be used twice without anybody noticing:
///
/// ```compile_fail
/// fn twice(permit: policy::Permit<policy::ReadClock>) {
///     drop(permit.clone());
/// }
/// ```
#[derive(Debug)]
#[must_use = "a permit that is not used was a check for nothing"]
pub struct Permit<T> {
    asked: T,
}

impl<T> Permit<T> {
    pub(crate) fn new(asked: T) -> Permit<T> {
        Permit { asked }
    }

    pub fn asked(&self) -> &T {
        &self.asked
    }

    pub fn into_asked(self) -> T {
        self.asked
    }
}
