//! Every switch of the simulator: one named setting for each point where Atlas's behaviour is not
//! known for certain, for each limit, and for each delay that a test may want.
//!
//! The defaults are the likelier or the stricter answer. `POST /settings` merges into the present
//! values; unknown names are refused.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Status and error code of a refusal whose real form is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Atlas error code.
    pub code: String,
}

impl Refusal {
    fn new(status: u16, code: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
        }
    }
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }
    )+};
}

choices! {
    /// Refuse or let pass.
    Verdict {
        /// Answer with an error.
        Refuse,
        /// Let it pass.
        Accept,
    }
    /// What doing a thing a second time does.
    Again {
        /// The new value takes the old one's place.
        Replace,
        /// The new value joins the old one.
        Merge,
        /// It is an error.
        Refuse,
    }
    /// What becomes of bits beyond the prefix length in a CIDR block.
    HostBits {
        /// They are cleared.
        Mask,
        /// The entry is refused.
        Refuse,
    }
    /// An access-list POST of which some entries exist already.
    PartialDuplicates {
        /// Nothing is added.
        AddNone,
        /// The others are added; the answer is the same 409.
        AddRest,
    }
    /// The two shapes of the token endpoint's 429.
    TokenLimitShape {
        /// `{"error": "rate_limited", ...}`
        Oauth,
        /// `{"error": 429, "errorCode": "RATE_LIMITED", ...}`
        Atlas,
    }
    /// What minting beyond the number of live tokens does.
    TokenOverflow {
        /// The mint is refused.
        Refuse,
        /// The oldest token dies.
        DropOldest,
    }
    /// What an answer to a bad credential carries.
    UnauthorizedBody {
        /// Atlas's error object.
        ApiError,
        /// Nothing.
        Empty,
    }
    /// How a wrong role name is told.
    RoleNameError {
        /// `BAD_REQUEST` with `badRequestDetail`, seen since 2026.
        BadRequest,
        /// `INVALID_ENUM_VALUE`, the older answer.
        InvalidEnumValue,
    }
    /// Who may write the access list of an API key; the API description does not say.
    AccessListWriter {
        /// Organization Owner.
        OrganizationOwner,
        /// Anybody in the organization.
        OrganizationMember,
    }
    /// How a bucket is refilled.
    Refill {
        /// All at once, at the end of each period.
        Stepwise,
        /// Evenly.
        Continuous,
    }
    /// What the root call tells a service account.
    RootForAccount {
        /// An `apiKey` object made from the account.
        Shaped,
        /// No `apiKey`.
        Absent,
    }
    /// Answer to an id of the wrong form in a path.
    MalformedId {
        /// 400 `INVALID_PATH_PARAMETER`.
        BadRequest,
        /// 404, as for an unknown one.
        NotFound,
    }
    /// When static Azure credentials are taken although the project has a role.
    AfterRole {
        /// Never.
        Refuse,
        /// Until the role was seen to work.
        Unproved,
        /// Always.
        Accept,
    }
    /// What the lack of a field means in a change.
    Omitted {
        /// As if it were `false`; Terraform's tests met this when they left it out.
        Off,
        /// It stays as it is.
        Kept,
    }
    /// Which lists the caller's own address cannot be removed from.
    CallerAddress {
        /// The list of the very credential that asks.
        OwnList,
        /// Any list.
        AnyList,
    }
}

/// Size of one token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSize {
    /// Most tokens.
    pub capacity: u64,
    /// Tokens added each period.
    pub refill_rate: u64,
    /// Length of a period.
    pub refill_seconds: u64,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $value:expr;)+) => {
        /// The switches; see each field.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings { $($(#[$doc])* pub $name: $kind),+ }

        impl Default for Settings {
            fn default() -> Self { Self { $($name: $value),+ } }
        }
    };
}

settings! {
    // Versions and requests
    /// Answer to a missing or never published version; the documentation says 406, the list of codes 400.
    bad_version: Refusal = Refusal::new(406, "INVALID_VERSION_DATE");
    /// A published date before the operation's first version: no such version, or served all the same.
    version_before_first: Verdict = Verdict::Refuse;
    /// Operations that answer 410 `VERSION_GONE`.
    gone_operations: Vec<String> = Vec::new();
    /// Operations that answer with `Deprecation` and `Sunset` headers.
    deprecated_operations: Vec<String> = Vec::new();
    /// A request body of another media type.
    other_content_type: Verdict = Verdict::Refuse;
    /// Answer when `other_content_type` refuses.
    unsupported_content_type: Refusal = Refusal::new(415, "UNSUPPORTED_MEDIA_TYPE");
    /// Query parameters an operation does not have.
    unknown_query_parameter: Verdict = Verdict::Accept;
    /// A page size or number out of range.
    bad_page: Refusal = Refusal::new(400, "INVALID_QUERY_PARAMETER");
    /// An id of the wrong form in a path.
    malformed_id: MalformedId = MalformedId::BadRequest;
    /// Code of an unknown organization.
    unknown_org_code: String = "ORG_NOT_FOUND".to_owned();
    /// Code of an unknown project.
    unknown_group_code: String = "GROUP_NOT_FOUND".to_owned();
    /// Status of `createGroup`: 201 as recorded, 200 as declared.
    create_group_status: u16 = 201;
    /// The order of role arrays changes from answer to answer.
    shuffle_roles: bool = true;
    /// Optional times that have no value are `null` instead of absent.
    null_optionals: bool = false;
    /// Answers carry a field that no description knows.
    extra_fields: bool = false;

    /// Answers carry the time in `Date`; else that header is empty.
    date_header: bool = true;
    /// What `Date` is ahead of the simulator's clock, or behind it.
    date_skew_seconds: i64 = 0;

    // Digest
    /// How long a nonce may be used.
    digest_nonce_seconds: u64 = 300;
    /// A nonce serves one request only.
    digest_nonce_single_use: bool = false;
    /// Whether an expired nonce is told by `stale=true`.
    digest_says_stale: bool = true;
    /// `algorithm=MD5` without quotes in the client's answer.
    digest_unquoted_algorithm: Verdict = Verdict::Accept;
    /// Body of the 401 to a missing or bad credential.
    unauthorized_body: UnauthorizedBody = UnauthorizedBody::ApiError;

    // OAuth
    /// Lifetime of an access token.
    token_seconds: u64 = 3_600;
    /// Live tokens of one account.
    max_tokens_per_account: usize = 100;
    /// What the next mint does.
    token_overflow: TokenOverflow = TokenOverflow::Refuse;
    /// The refusal, `code` being the OAuth error.
    token_overflow_refusal: Refusal = Refusal::new(403, "access_denied");
    /// Token requests a minute for one address and client; 0 for no limit.
    token_requests_per_minute: u64 = 10;
    /// Whether revoking counts as well.
    revoke_counts_as_token_request: bool = false;
    /// Shape of the 429.
    token_limit_shape: TokenLimitShape = TokenLimitShape::Oauth;
    /// Revoking a token that is unknown or dead: 200, or 400 `invalid_request`.
    revoke_unknown_token: Verdict = Verdict::Accept;
    /// Revoking another client's token: 200 without effect, or 400 `invalid_request`.
    revoke_foreign_token: Verdict = Verdict::Accept;
    /// A token lives on when its secret expires.
    tokens_outlive_secret_expiry: bool = true;
    /// A token dies with the secret that minted it.
    tokens_die_with_secret: bool = true;
    /// A token dies with its account.
    tokens_die_with_account: bool = true;
    /// Body of the 401 to a bad bearer token.
    bearer_body: UnauthorizedBody = UnauthorizedBody::ApiError;
    /// `WWW-Authenticate: Bearer` on that 401.
    bearer_challenge: bool = true;

    // Authorization
    /// A valid credential whose roles do not suffice: 401, or 403 as declared.
    missing_role: Refusal = Refusal::new(401, "USER_UNAUTHORIZED");
    /// A credential of another organization.
    foreign_org: Refusal = Refusal::new(401, "USER_CANNOT_ACCESS_ORG");
    /// A project of another organization.
    foreign_project: Refusal = Refusal::new(401, "USER_CANNOT_ACCESS_GROUP");
    /// Granting a role that the caller does not hold.
    grant_beyond_own: Verdict = Verdict::Accept;
    /// The role constant behind "Project Access Manager", if there is one besides the owners.
    project_access_manager_role: Option<String> = None;
    /// Further project role names to know.
    extra_group_roles: Vec<String> = Vec::new();
    /// Writers of an API key's access list.
    api_key_access_list_writer: AccessListWriter = AccessListWriter::OrganizationOwner;
    /// How a wrong role name is told.
    role_name_error: RoleNameError = RoleNameError::BadRequest;
    /// Code of a project role at organization level.
    group_role_in_org_code: String = "CANNOT_ADD_GROUP_ROLE".to_owned();
    /// Code of an organization role at project level.
    org_role_in_group_code: String = "CANNOT_ADD_ORG_ROLE".to_owned();
    /// The older spelling of the access-list codes, with `WHITELIST`.
    whitelist_codes: bool = false;
    /// Whether the automatic `ORG_MEMBER` of a project-made account takes it out of the hands of
    /// project owners.
    automatic_member_is_org_access: bool = false;

    // Access lists
    /// Use this as the caller's address.
    caller_address: Option<IpAddr> = None;
    /// Read the caller's address from this header, where a request has it.
    caller_address_header: Option<String> = None;
    /// Entries of one access list.
    max_access_list_entries: usize = 200;
    /// The entry beyond.
    access_list_full: Refusal = Refusal::new(400, "BAD_REQUEST");
    /// Bits beyond the prefix length.
    host_bits: HostBits = HostBits::Refuse;
    /// Some entries of a POST exist already.
    partial_duplicates: PartialDuplicates = PartialDuplicates::AddNone;
    /// How long a new entry has no effect.
    access_entry_delay_seconds: u64 = 0;
    /// The caller's address cannot be removed: from which list of a service account.
    caller_address_on_account_lists: CallerAddress = CallerAddress::OwnList;
    /// How far `lastUsedAt` of entries lags; up to 300 in Atlas.
    access_entry_last_used_lag_seconds: u64 = 0;

    // API keys
    /// Keys of one organization.
    max_api_keys_per_org: usize = 500;
    /// The key beyond.
    api_keys_exhausted: Refusal = Refusal::new(400, "MAX_API_KEYS_PER_ORG_EXCEEDED");
    /// An unknown key at organization level: 400, or 404 as declared.
    unknown_api_key_in_org: Refusal = Refusal::new(400, "API_KEY_NOT_FOUND");
    /// An unknown key at project level.
    unknown_api_key_in_group: Refusal = Refusal::new(400, "API_KEY_NOT_FOUND");
    /// Assigning a key of another organization.
    assign_foreign_key: Refusal = Refusal::new(400, "API_KEY_CAN_ONLY_BELONG_TO_ONE_ORG");
    /// Assigning a key to a project it belongs to.
    assign_again: Again = Again::Replace;
    /// The refusal, if that is the choice.
    assign_again_refusal: Refusal = Refusal::new(409, "BAD_REQUEST");
    /// Elements beyond the first in the body of an assignment.
    assign_further_elements: Verdict = Verdict::Refuse;
    /// The project-level PATCH of a key that is not in the project.
    patch_assigns_key: bool = true;
    /// A credential deletes itself.
    delete_self: Verdict = Verdict::Accept;

    // Service accounts
    /// Accounts of one organization.
    max_service_accounts_per_org: usize = 200;
    /// Secrets of one account, expired ones included.
    max_secrets_per_account: usize = 2;
    /// The secret beyond.
    secret_beyond_limit: Refusal = Refusal::new(400, "BAD_REQUEST");
    /// A lifetime out of range.
    secret_hours_out_of_range: Refusal = Refusal::new(400, "BAD_REQUEST");
    /// Longest rest of life of an older secret once there is a newer one.
    older_secret_seconds: u64 = 7 * 86_400;
    /// Deleting the only secret of an account.
    delete_last_secret: Verdict = Verdict::Accept;
    /// An unknown service account.
    unknown_service_account: Refusal = Refusal::new(404, "RESOURCE_NOT_FOUND");
    /// Inviting an account of another organization.
    invite_foreign_account: Refusal = Refusal::new(404, "RESOURCE_NOT_FOUND");
    /// An unknown secret.
    unknown_secret: Refusal = Refusal::new(404, "RESOURCE_NOT_FOUND");
    /// Inviting an account that is in the project.
    invite_again: Again = Again::Replace;
    /// The refusal, if that is the choice.
    invite_again_refusal: Refusal = Refusal::new(409, "BAD_REQUEST");
    /// How long creating a secret takes; a second create meanwhile is told `DATA_CONCURRENCY_ERROR`.
    secret_create_millis: u64 = 0;
    /// How far `lastUsedAt` of secrets lags.
    secret_last_used_lag_seconds: u64 = 0;
    /// Whether a call with a token counts as a use of the secret that minted it.
    token_use_is_secret_use: bool = false;

    // Consistency
    /// How long a new key, account or secret is missing from reads.
    read_lag_after_create_seconds: u64 = 0;
    /// Whether a delete in a project, of an AI model key or a database user, does not know either what
    /// reads do not show yet.
    deletes_lag_after_create: bool = false;
    /// How long a deleted key or account is still read.
    read_lag_after_delete_seconds: u64 = 0;
    /// How long a new key or secret cannot sign in.
    new_credential_delay_seconds: u64 = 0;
    /// How long a deleted key can still sign in.
    deleted_key_lives_seconds: u64 = 0;

    // Organizations, projects, limits
    /// Projects of one organization.
    max_projects_per_org: usize = 250;
    /// What the root call tells a service account.
    root_for_account: RootForAccount = RootForAccount::Shaped;
    /// Whether buckets are in force.
    rate_limits: bool = true;
    /// Whether answers carry `RateLimit-…` headers.
    rate_limit_headers: bool = true;
    /// How buckets are refilled.
    refill: Refill = Refill::Stepwise;
    /// Other sizes, by endpoint set id.
    buckets: BTreeMap<String, BucketSize> = BTreeMap::new();

    // AI model keys
    /// Two AI model keys of a project cannot have the same name.
    model_key_names_unique: bool = false;
    /// What `cloud` takes.
    model_key_clouds: Vec<String> = vec!["ANY".to_owned()];
    /// What `geography` takes.
    model_key_geographies: Vec<String> = vec!["ANY".to_owned()];
    /// Keys of one project; 0 for no limit, as none is documented.
    max_model_keys_per_project: usize = 0;
    /// The key beyond.
    model_keys_exhausted: Refusal = Refusal::new(400, "BAD_REQUEST");
    /// An unknown key, in a project or an organization.
    unknown_model_key: Refusal = Refusal::new(404, "RESOURCE_NOT_FOUND");

    // Database users and clusters
    /// Users of one project.
    max_database_users_per_project: usize = 100;
    /// An unknown user; `USER_NOT_FOUND` is met as well.
    unknown_database_user: Refusal = Refusal::new(404, "USERNAME_NOT_FOUND");
    /// User names of other characters than ASCII letters, digits, `-` and `_`.
    special_database_usernames: Verdict = Verdict::Accept;
    /// A user without any role.
    no_database_roles: Verdict = Verdict::Refuse;
    /// Roles to know besides the built-in ones; they belong to `admin`.
    custom_database_roles: Vec<String> = Vec::new();
    /// A scope that names no cluster of the project.
    unknown_scope: Verdict = Verdict::Accept;
    /// What the lack of `deleteAfterDate` means in a change; a recorded answer shows it kept.
    omitted_delete_after_date: Omitted = Omitted::Kept;
    /// How long after its `deleteAfterDate` a user is deleted.
    database_user_delete_delay_seconds: u64 = 0;
    /// How long a cluster takes to apply a change of a user; it says `PENDING` meanwhile.
    cluster_apply_seconds: u64 = 0;
    /// Whether a paused cluster says so too, as it applies nothing.
    paused_cluster_pending: bool = true;

    // Azure
    /// A principal registered in one project cannot be registered in another.
    azure_principal_unique_everywhere: bool = false;
    /// Atlas's own application in Azure.
    atlas_azure_app_id: String = "9efedfcc-2eca-4b27-a613-0cad1e114cb7".to_owned();
    /// A registration serves encryption at rest only after its second step.
    azure_role_needs_authorization: bool = true;
    /// How long Azure does not know a new principal.
    azure_principal_delay_seconds: u64 = 0;
    /// How long Azure does not take a new client secret.
    azure_secret_delay_seconds: u64 = 0;
    /// How long a new grant has no effect, and a revoked one has it still.
    azure_grant_delay_seconds: u64 = 0;
    /// What a change with static Azure credentials meets.
    static_azure_credentials: Verdict = Verdict::Accept;
    /// Going back from a role to static credentials.
    static_credentials_after_role: AfterRole = AfterRole::Refuse;
    /// The refusal.
    static_after_role_refusal: Refusal = Refusal::new(400, "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED");
    /// A role and static credentials in one request; if accepted, the role counts.
    both_azure_credentials: Verdict = Verdict::Refuse;
    /// A change of an enabled configuration that does not name all its fields.
    partial_key_vault: Verdict = Verdict::Accept;
    /// What the lack of `requirePrivateNetworking` means in a change.
    omitted_private_networking: Omitted = Omitted::Off;
    /// Answer where the one who signs in may not read the vault.
    missing_vault_read: Refusal = Refusal::new(400, "INVALID_AZURE_CREDENTIALS");
    /// Answer where the one who signs in may read the vault, but not use its keys.
    missing_key_use: Refusal = Refusal::new(400, "NO_PERMISSION_TO_ENCRYPT_DECRYPT");
    /// Answer where the vault is out of reach.
    unreachable_vault: Refusal = Refusal::new(400, "INVALID_AZURE_CREDENTIALS");
    /// What `valid` says of a vault that is out of reach.
    valid_while_unreachable: bool = false;
    /// Time between scheduled checks of a project's key; 0 for none.
    key_check_seconds: u64 = 900;
    /// Whether these are counted anew from each change, and not from the first.
    key_check_restarts_on_change: bool = true;
    /// Clusters use encryption at rest in each project that has it, so it cannot be switched off.
    encrypted_clusters: bool = true;
    /// With private networking, how long until the data nodes have tried a change.
    private_verdict_seconds: u64 = 60;
    /// What `valid` says meanwhile.
    private_valid_before_verdict: bool = false;
    /// Whether static credentials go with the change to a role, and not when the role was seen to work.
    private_static_dropped_at_once: bool = false;
    /// How long a private endpoint is made, and how far its state lags behind Azure's.
    private_endpoint_seconds: u64 = 180;
    /// Renaming the vault of a project that has private endpoints.
    frozen_vault_field: Refusal = Refusal::new(400, "BAD_REQUEST");
    /// A second private endpoint in a region.
    private_endpoint_again: Refusal = Refusal::new(400, "BAD_REQUEST");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_the_way_through_json() {
        let text = serde_json::to_string(&Settings::default()).unwrap();
        let back: Settings = serde_json::from_str(&text).unwrap();
        assert_eq!(back, Settings::default());
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<Settings>(r#"{"no_such": 1}"#).is_err());
    }
}
