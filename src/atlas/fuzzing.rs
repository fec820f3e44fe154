//! What fuzzing feeds of this layer: challenges, answers, and texts that are read as ids and addresses.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::api_keys::ApiKey;
use super::atlas_time::LastDate;
use super::call::Call;
use super::cloud_provider_access::{AzureRegistration, FeatureUsage};
use super::database_users::DatabaseUser;
use super::digest::{Challenge, DigestKey, Nonce, parse_challenges};
use super::encryption_at_rest::AzureKeyVault;
use super::endpoints::{BucketKey, EndpointSet, Scope};
use super::error::{AnswerFault, AtlasError};
use super::hidden::Hidden;
use super::ids::{
    ApiKeyId, ClientId, ClusterName, DatabaseUsername, ModelKeyId, OrgId, ProjectId, RoleId,
    SecretId,
};
use super::model_keys::ModelKey;
use super::organizations::{CallerKey, Organization, OrganizationSettings, Project};
use super::origin::Origin;
use super::paging::Page;
use super::private_endpoints::PrivateEndpoint;
use super::rate_limit_feedback::RateLimitFeedback;
use super::retry::{MAX_WAIT, Repeat, Tries, judge, refuses_credential, retry_after};
use super::service_accounts::{SecretState, ServiceAccount};
use super::settings::{ApiVersion, Pem, Settings};
use super::success::Success;
use super::transport::Answer;
use super::{AccessEntry, ApplicationId, ServicePrincipalId, TenantId};
use crate::base::fuzzing::{SECRET, planted, shows_secret};
use crate::base::{Entropy, Sensitive};

/// Chance that repeats itself.
struct Same;

impl Entropy for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_786_330_977, 0).unwrap_or_default()
}

/// One header of a challenge a line. What is signed holds the realm and the nonce as they were read,
/// stays one line, and does not show the key.
pub(crate) fn challenge(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    let Some(challenge) = Challenge::find(&headers) else {
        return;
    };
    let key = DigestKey {
        public_key: "abcdefgh".to_owned(),
        private_key: Sensitive::new(SECRET.to_owned()),
    };
    let mut nonce = Nonce::new(challenge.clone());
    for uses in 1..3 {
        let signed = nonce.sign(&key, &Method::GET, "/api/atlas/v2/orgs?a=%22b", &Same);
        let Some(signed) = signed else { continue };
        assert!(signed.is_sensitive());
        let text = signed.to_str().unwrap_or_default();
        assert!(!shows_secret(text), "{text}");
        assert_eq!(nonce.uses(), uses);
        // Read as a server reads it.
        let mut answered = HeaderMap::new();
        answered.append(WWW_AUTHENTICATE, signed.clone());
        let read = Challenge::find(&answered);
        // What is not ASCII cannot be read back from a header.
        if !text.is_empty() {
            assert!(
                read.is_some_and(|read| read.asks_the_same(&challenge)),
                "{text}"
            );
            let offers = parse_challenges(text);
            assert_eq!(offers.len(), 1, "{text}");
        }
    }
}

/// The status in the first line, a header in each line up to an empty one, then the body.
pub(crate) fn answer(data: &[u8]) {
    let Some(text) = planted(data) else { return };
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default().trim();
    let Ok(status) = StatusCode::from_bytes(status.as_bytes()) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if let Ok(name) = name.parse::<HeaderName>()
            && let Ok(value) = value.trim().parse()
        {
            headers.append(name, value);
        }
    }
    let answer = |signed_with: Option<&str>| Answer {
        status,
        headers: headers.clone(),
        body: Zeroizing::new(body.as_bytes().to_vec()),
        signed_with: signed_with.map(|text| Sensitive::new(text.to_owned())),
    };
    let wait = learn(&answer(None));
    for call in calls() {
        // The secret is what the call carries, or what it was signed with.
        let judged = judge(&call, 1, answer(None), wait);
        let signed = judge(
            &Call {
                hidden: Hidden::NOTHING,
                ..call
            },
            1,
            answer(Some(SECRET)),
            wait,
        );
        for judged in [judged, signed] {
            if let Err(failure) = judged {
                check(&failure.error);
                let mut tries = Tries::default();
                tries.count(&failure);
                let delay = failure.delay(Repeat::Safe, tries, &Same);
                assert!(delay.unwrap_or_default() <= MAX_WAIT);
            }
        }
    }
    content(body.as_bytes());
}

/// What every answer tells beside its content.
fn learn(answer: &Answer) -> Option<Duration> {
    let _ = refuses_credential(answer);
    let feedback = RateLimitFeedback::of(answer, 3, now(), &Same);
    assert!(feedback.wait.unwrap_or_default() <= MAX_WAIT);
    let date = LastDate::default();
    date.note(answer, Duration::from_secs(5), Duration::from_secs(6));
    if let Some(told) = date.last() {
        let _ = told.at(Duration::MAX);
        assert!(told.at(Duration::from_mins(1)) >= told.at(Duration::ZERO));
    }
    retry_after(&answer.headers, now())
}

/// A call of each manner and success.
fn calls() -> [Call; 5] {
    let secret = Sensitive::new(SECRET.to_owned());
    let hidden = || Hidden::of([&secret]);
    let set = EndpointSet::ServiceAccounts;
    let content = || Zeroizing::new(b"{}".to_vec());
    let get = Call::get("getOrg", "/orgs", set, Scope::User);
    let removed = Call::delete("deleteOrg", "/orgs", set, Scope::User);
    let bucket = BucketKey {
        set,
        scope: Scope::User,
    };
    let basic = HeaderValue::from_static("Basic x");
    [
        Call {
            hidden: hidden(),
            ..get
        },
        Call {
            hidden: hidden(),
            ..removed
        },
        Call::create_of("createOrg", "/orgs", set, Scope::User, content(), hidden()),
        Call::patch_once("changeOrg", "/orgs", set, Scope::User, content(), hidden()),
        Call::token(
            "mint",
            "/token",
            bucket,
            basic,
            (content(), hidden()),
            Success::MINTED,
        ),
    ]
}

/// What is asked of every error, and that none of it shows the secret.
fn check(error: &AtlasError) {
    let mut text = format!("{error} {error:?} {:?}", error.key_vault_refusal());
    text += error.code().unwrap_or_default();
    assert!(!shows_secret(&text), "{text}");
    assert!(!text.contains('\n') && text.len() < 32 * 1024);
    let gone = error.says_api_key_is_gone() || error.says_not_found();
    assert!(!(gone && error.outcome_unknown()), "{error:?}");
    assert!(
        !(error.says_name_taken() && error.outcome_unknown()),
        "{error:?}"
    );
    let _ = (
        error.lack(),
        error.says_principal_is_in_use(),
        error.says_project_is_gone(),
    );
}

/// A body as each resource is read. What cannot be read is told by its place alone.
fn content(body: &[u8]) {
    fn read<T: DeserializeOwned + Debug>(body: &[u8]) {
        let list = serde_json::from_slice::<Page<T>>(body);
        if let Ok(list) = &list {
            let _ = list.may_go_on();
        }
        if let Err(error) = serde_json::from_slice::<T>(body) {
            let fault = AnswerFault::from(error);
            assert!(!shows_secret(&format!("{fault} {fault:?}")));
        }
    }
    read::<ApiKey>(body);
    read::<ServiceAccount>(body);
    read::<SecretState>(body);
    read::<ModelKey>(body);
    read::<DatabaseUser>(body);
    read::<Organization>(body);
    read::<OrganizationSettings>(body);
    read::<Project>(body);
    read::<CallerKey>(body);
    read::<AzureRegistration>(body);
    read::<FeatureUsage>(body);
    read::<AzureKeyVault>(body);
    read::<PrivateEndpoint>(body);
    if let Ok(key) = serde_json::from_slice::<ModelKey>(body) {
        let _ = key.made_at();
    }
    if let Ok(user) = serde_json::from_slice::<DatabaseUser>(body) {
        let _ = (user.username(), user.tag().len(), user.made_at());
    }
}

/// A name in the first line, then `/etc/resolv.conf` and `/etc/hosts` in one: each reads its own lines.
pub(crate) fn name_files(text: &str) {
    let (name, files) = text.split_once('\n').unwrap_or((text, ""));
    super::name_files::fuzz(name, files);
}

/// A text as everything that is checked on its way in: what is taken is written as it was read, and read
/// again as the same.
pub(crate) fn checked_text(text: &str) {
    same::<OrgId>(text);
    same::<ProjectId>(text);
    same::<ApiKeyId>(text);
    same::<ModelKeyId>(text);
    same::<DatabaseUsername>(text);
    same::<ClusterName>(text);
    same::<SecretId>(text);
    same::<RoleId>(text);
    same::<ClientId>(text);
    same::<ApplicationId>(text);
    same::<ServicePrincipalId>(text);
    same::<TenantId>(text);
    same::<ApiVersion>(text);
    if let Ok(origin) = text.parse::<Origin>() {
        let again = origin.as_str().parse::<Origin>();
        assert_eq!(again.ok().as_ref(), Some(&origin), "{text}");
        let url = Settings::base_url(text).ok();
        assert!(url.is_some_and(|url| url.username().is_empty() && url.password().is_none()));
    }
    let entries = [AccessEntry::address(text), AccessEntry::network(text)];
    for entry in entries.into_iter().flatten() {
        let shown = entry.to_string();
        let again = AccessEntry::address(&shown).or_else(|_| AccessEntry::network(&shown));
        assert_eq!(again.ok(), Some(entry), "{text}");
    }
    let _ = Pem::from_str(text).map(|pem| pem.fingerprints().count());
}

fn same<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let shown = value.to_string();
        assert_eq!(shown.parse().ok().as_ref(), Some(&value), "{text}");
        assert!(!shown.contains(['\n', '\0']), "{text:?}");
    }
}
