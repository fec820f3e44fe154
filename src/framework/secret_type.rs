//! Kinds of lease: who renews and revokes a lease, told by the `secret_type` in its internal data.

use std::sync::Arc;
use std::time::Duration;

use super::call::{Handler, LeaseCall, handler};
use crate::vault::{Data, Failure, Request, Response, Secret};

/// The key of the internal data that names the kind. Source: `framework.Secret` of Vault's SDK.
const SECRET_TYPE: &str = "secret_type";

/// One kind of lease. Every kind can be revoked: the host gives up at once on a lease that
/// cannot be.
pub(crate) struct SecretType<E> {
    pub(super) name: &'static str,
    revoke: Handler<E, LeaseCall, ()>,
    renew: Option<Handler<E, LeaseCall, Option<Response>>>,
}

impl<E: Send + Sync + 'static> SecretType<E> {
    /// A kind of lease whose leases `revoke` ends. It may be called twice for the same lease:
    /// already gone is success. Any error makes the host try again.
    pub(crate) fn new<X, Work>(
        name: &'static str,
        revoke: impl Fn(Arc<E>, LeaseCall) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Failure>,
    {
        Self {
            name,
            revoke: handler(revoke),
            renew: None,
        }
    }

    /// Lets leases be renewed; the handler answers with [`LeaseCall::renewed`]. [`None`] leaves
    /// the lease as it is.
    #[must_use]
    pub(crate) fn renew<X, Work>(
        mut self,
        renew: impl Fn(Arc<E>, LeaseCall) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<Option<Response>, X>> + Send + 'static,
        X: Into<Failure>,
    {
        self.renew = Some(handler(renew));
        self
    }
}

/// How long a new lease runs, and whether it can be renewed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// From now; zero means the mount's default.
    pub ttl: Duration,
    /// The most that renewals may add up to; zero means the mount's maximum.
    pub max_ttl: Duration,
    /// Whether the host may ask for renewal; the kind must have a handler for it.
    pub renewable: bool,
}

impl Lease {
    /// An answer that is a lease: `data` goes to the user, `internal` stays with the host.
    #[must_use]
    pub(crate) fn answer(
        self,
        secret_type: &'static str,
        data: Data,
        mut internal: Data,
    ) -> Response {
        internal.insert(SECRET_TYPE.to_owned(), secret_type.into());
        Response {
            data: Some(data),
            secret: Some(Secret {
                internal_data: internal,
                ttl: self.ttl,
                max_ttl: self.max_ttl,
                renewable: self.renewable,
                ..Secret::default()
            }),
            warnings: Vec::new(),
        }
    }
}

/// Renews a lease by the handler of its kind.
pub(super) async fn renew<E>(
    types: &[SecretType<E>],
    engine: Arc<E>,
    request: Request,
) -> Result<Option<Response>, Failure> {
    let (kind, call) = dispatch(types, request)?;
    match &kind.renew {
        Some(renew) => renew(engine, call).await,
        None => Err(Failure::UnsupportedOperation),
    }
}

/// Revokes a lease by the handler of its kind.
pub(super) async fn revoke<E>(
    types: &[SecretType<E>],
    engine: Arc<E>,
    request: Request,
) -> Result<Option<Response>, Failure> {
    let (kind, call) = dispatch(types, request)?;
    (kind.revoke)(engine, call).await.map_err(retriable)?;
    Ok(None)
}

fn dispatch<E>(
    types: &[SecretType<E>],
    request: Request,
) -> Result<(&SecretType<E>, LeaseCall), Failure> {
    let Some(secret) = request.secret else {
        return Err(Failure::Internal("request has no secret".to_owned()));
    };
    let name = secret.internal_data.get(SECRET_TYPE);
    let kind = name.and_then(|name| types.iter().find(|kind| *name == *kind.name));
    let Some(kind) = kind else {
        return Err(Failure::Internal(
            "secret is unsupported by this backend".to_owned(),
        ));
    };
    let call = LeaseCall {
        secret,
        path: request.path,
        caller: request.caller,
    };
    Ok((kind, call))
}

/// The host never again tries to revoke a lease for which it is told that this is unsupported.
fn retriable(failure: Failure) -> Failure {
    match failure {
        Failure::UnsupportedOperation | Failure::UnsupportedPath => {
            Failure::Internal(failure.to_string())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::framework::toy::{Toy, data, request};
    use crate::vault::Operation;

    async fn end_lease(_: Arc<Toy>, call: LeaseCall) -> Result<(), Failure> {
        match call.internal_text("id") {
            Some("gone") => Ok(()),
            Some("odd") => Err(Failure::UnsupportedPath),
            _ => Err(Failure::BadRequest("configure first".to_owned())),
        }
    }

    async fn extend(_: Arc<Toy>, call: LeaseCall) -> Result<Option<Response>, Failure> {
        Ok(Some(
            call.renewed(Duration::from_mins(1), Duration::from_mins(10)),
        ))
    }

    fn types() -> Vec<SecretType<Toy>> {
        vec![
            SecretType::new("key", end_lease).renew(extend),
            SecretType::new("token", end_lease),
        ]
    }

    fn of_lease(operation: Operation, internal: serde_json::Value) -> Request {
        let mut request = request(operation, "creds/a", json!({"private_key": "p"}));
        request.secret = Some(Secret {
            internal_data: data(internal),
            renewable: true,
            ..Secret::default()
        });
        request
    }

    async fn revoked(internal: serde_json::Value) -> Result<Option<Response>, Failure> {
        let request = of_lease(Operation::Revoke, internal);
        revoke(&types(), Arc::default(), request).await
    }

    #[tokio::test]
    async fn a_renewal_answers_times_and_internal_data_alone() {
        let internal = json!({"secret_type": "key", "id": "7"});
        let request = of_lease(Operation::Renew, internal.clone());
        let answer = renew(&types(), Arc::default(), request).await;
        let answer = answer.expect("renews").expect("answers");
        let secret = answer.secret.expect("is a lease");
        assert_eq!(secret.internal_data, data(internal));
        assert_eq!(secret.ttl, Duration::from_mins(1));
        assert_eq!(secret.max_ttl, Duration::from_mins(10));
        assert!(secret.renewable);
        assert_eq!(answer.data, None, "whoever may renew is shown it");
    }

    #[tokio::test]
    async fn a_kind_without_renewal_says_so() {
        let request = of_lease(Operation::Renew, json!({"secret_type": "token"}));
        let answer = renew(&types(), Arc::default(), request).await;
        assert_eq!(answer.err(), Some(Failure::UnsupportedOperation));
    }

    #[tokio::test]
    async fn revoking_answers_nothing() {
        let answer = revoked(json!({"secret_type": "token", "id": "gone"})).await;
        assert!(answer.expect("is revoked").is_none());
    }

    #[tokio::test]
    async fn what_cannot_be_revoked_now_stays_retriable() {
        for internal in [
            json!({}),
            json!({"secret_type": 5}),
            json!({"secret_type": "other"}),
            json!({"secret_type": "key", "id": "odd"}),
        ] {
            let failure = revoked(internal).await.err();
            assert!(matches!(failure, Some(Failure::Internal(_))), "{failure:?}");
        }
        let failure = revoked(json!({"secret_type": "key"})).await.err();
        assert!(matches!(failure, Some(Failure::BadRequest(_))));
    }

    #[tokio::test]
    async fn a_request_without_lease_is_refused() {
        let request = request(Operation::Revoke, "creds/a", json!({}));
        let failure = revoke(&types(), Arc::default(), request).await.err();
        assert_eq!(
            failure,
            Some(Failure::Internal("request has no secret".to_owned()))
        );
    }

    #[test]
    fn a_new_lease_names_its_kind() {
        let lease = Lease {
            ttl: Duration::from_secs(5),
            ..Lease::default()
        };
        let answer = lease.answer("key", Data::new(), data(json!({"id": "7"})));
        let secret = answer.secret.expect("is a lease");
        assert_eq!(
            secret.internal_data,
            data(json!({"id": "7", "secret_type": "key"}))
        );
        assert_eq!(secret.ttl, Duration::from_secs(5));
        assert!(!secret.renewable);
    }
}
