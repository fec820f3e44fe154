//! Made from `proto/vault` by `tests/proto.rs`; not edited by hand.

pub mod logical {
    /// No content.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Empty {}
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Entity {
        #[prost(string, tag = "1")]
        pub id: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub name: ::prost::alloc::string::String,
        #[prost(message, repeated, tag = "3")]
        pub aliases: ::prost::alloc::vec::Vec<Alias>,
        #[prost(btree_map = "string, string", tag = "4")]
        pub metadata: ::prost::alloc::collections::BTreeMap<
            ::prost::alloc::string::String,
            ::prost::alloc::string::String,
        >,
        #[prost(bool, tag = "5")]
        pub disabled: bool,
        #[prost(string, tag = "6")]
        pub namespace_id: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Alias {
        #[prost(string, tag = "1")]
        pub mount_type: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub mount_accessor: ::prost::alloc::string::String,
        #[prost(string, tag = "3")]
        pub name: ::prost::alloc::string::String,
        #[prost(btree_map = "string, string", tag = "4")]
        pub metadata: ::prost::alloc::collections::BTreeMap<
            ::prost::alloc::string::String,
            ::prost::alloc::string::String,
        >,
        #[prost(string, tag = "5")]
        pub id: ::prost::alloc::string::String,
        #[prost(string, tag = "6")]
        pub namespace_id: ::prost::alloc::string::String,
        #[prost(btree_map = "string, string", tag = "7")]
        pub custom_metadata: ::prost::alloc::collections::BTreeMap<
            ::prost::alloc::string::String,
            ::prost::alloc::string::String,
        >,
        #[prost(bool, tag = "8")]
        pub local: bool,
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Group {
        #[prost(string, tag = "1")]
        pub id: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub name: ::prost::alloc::string::String,
        #[prost(btree_map = "string, string", tag = "3")]
        pub metadata: ::prost::alloc::collections::BTreeMap<
            ::prost::alloc::string::String,
            ::prost::alloc::string::String,
        >,
        #[prost(string, tag = "4")]
        pub namespace_id: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct PluginEnvironment {
        #[prost(string, tag = "1")]
        pub vault_version: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub vault_version_prerelease: ::prost::alloc::string::String,
        #[prost(string, tag = "3")]
        pub vault_version_metadata: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct VersionReply {
        #[prost(string, tag = "1")]
        pub plugin_version: ::prost::alloc::string::String,
    }
    /// Generated client implementations.
    pub mod plugin_version_client {
        #![allow(
            unused_variables,
            dead_code,
            missing_docs,
            clippy::wildcard_imports,
            clippy::let_unit_value,
        )]
        use tonic::codegen::*;
        use tonic::codegen::http::Uri;
        /// Which version the plugin says it is: `vX.Y.Z` or nothing.
        #[derive(Debug, Clone)]
        pub struct PluginVersionClient<T> {
            inner: tonic::client::Grpc<T>,
        }
        impl<T> PluginVersionClient<T>
        where
            T: tonic::client::GrpcService<tonic::body::Body>,
            T::Error: Into<StdError>,
            T::ResponseBody: Body<Data = Bytes> + std::marker::Send + 'static,
            <T::ResponseBody as Body>::Error: Into<StdError> + std::marker::Send,
        {
            pub fn new(inner: T) -> Self {
                let inner = tonic::client::Grpc::new(inner);
                Self { inner }
            }
            pub fn with_origin(inner: T, origin: Uri) -> Self {
                let inner = tonic::client::Grpc::with_origin(inner, origin);
                Self { inner }
            }
            pub fn with_interceptor<F>(
                inner: T,
                interceptor: F,
            ) -> PluginVersionClient<InterceptedService<T, F>>
            where
                F: tonic::service::Interceptor,
                T::ResponseBody: Default,
                T: tonic::codegen::Service<
                    http::Request<tonic::body::Body>,
                    Response = http::Response<
                        <T as tonic::client::GrpcService<
                            tonic::body::Body,
                        >>::ResponseBody,
                    >,
                >,
                <T as tonic::codegen::Service<
                    http::Request<tonic::body::Body>,
                >>::Error: Into<StdError> + std::marker::Send + std::marker::Sync,
            {
                PluginVersionClient::new(InterceptedService::new(inner, interceptor))
            }
            /// Compress requests with the given encoding.
            ///
            /// This requires the server to support it otherwise it might respond with an
            /// error.
            #[must_use]
            pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.inner = self.inner.send_compressed(encoding);
                self
            }
            /// Enable decompressing responses.
            #[must_use]
            pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.inner = self.inner.accept_compressed(encoding);
                self
            }
            /// Limits the maximum size of a decoded message.
            ///
            /// Default: `4MB`
            #[must_use]
            pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                self.inner = self.inner.max_decoding_message_size(limit);
                self
            }
            /// Limits the maximum size of an encoded message.
            ///
            /// Default: `usize::MAX`
            #[must_use]
            pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                self.inner = self.inner.max_encoding_message_size(limit);
                self
            }
            pub async fn version(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::VersionReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/logical.PluginVersion/Version",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("logical.PluginVersion", "Version"));
                self.inner.unary(req, path, codec).await
            }
        }
    }
    /// Generated server implementations.
    pub mod plugin_version_server {
        #![allow(
            unused_variables,
            dead_code,
            missing_docs,
            clippy::wildcard_imports,
            clippy::let_unit_value,
        )]
        use tonic::codegen::*;
        /// Generated trait containing gRPC methods that should be implemented for use with PluginVersionServer.
        #[async_trait]
        pub trait PluginVersion: std::marker::Send + std::marker::Sync + 'static {
            async fn version(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::VersionReply>,
                tonic::Status,
            >;
        }
        /// Which version the plugin says it is: `vX.Y.Z` or nothing.
        #[derive(Debug)]
        pub struct PluginVersionServer<T> {
            inner: Arc<T>,
            accept_compression_encodings: EnabledCompressionEncodings,
            send_compression_encodings: EnabledCompressionEncodings,
            max_decoding_message_size: Option<usize>,
            max_encoding_message_size: Option<usize>,
        }
        impl<T> PluginVersionServer<T> {
            pub fn new(inner: T) -> Self {
                Self::from_arc(Arc::new(inner))
            }
            pub fn from_arc(inner: Arc<T>) -> Self {
                Self {
                    inner,
                    accept_compression_encodings: Default::default(),
                    send_compression_encodings: Default::default(),
                    max_decoding_message_size: None,
                    max_encoding_message_size: None,
                }
            }
            pub fn with_interceptor<F>(
                inner: T,
                interceptor: F,
            ) -> InterceptedService<Self, F>
            where
                F: tonic::service::Interceptor,
            {
                InterceptedService::new(Self::new(inner), interceptor)
            }
            /// Enable decompressing requests with the given encoding.
            #[must_use]
            pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.accept_compression_encodings.enable(encoding);
                self
            }
            /// Compress responses with the given encoding, if the client supports it.
            #[must_use]
            pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.send_compression_encodings.enable(encoding);
                self
            }
            /// Limits the maximum size of a decoded message.
            ///
            /// Default: `4MB`
            #[must_use]
            pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                self.max_decoding_message_size = Some(limit);
                self
            }
            /// Limits the maximum size of an encoded message.
            ///
            /// Default: `usize::MAX`
            #[must_use]
            pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                self.max_encoding_message_size = Some(limit);
                self
            }
        }
        impl<T, B> tonic::codegen::Service<http::Request<B>> for PluginVersionServer<T>
        where
            T: PluginVersion,
            B: Body + std::marker::Send + 'static,
            B::Error: Into<StdError> + std::marker::Send + 'static,
        {
            type Response = http::Response<tonic::body::Body>;
            type Error = std::convert::Infallible;
            type Future = BoxFuture<Self::Response, Self::Error>;
            fn poll_ready(
                &mut self,
                _cx: &mut Context<'_>,
            ) -> Poll<std::result::Result<(), Self::Error>> {
                Poll::Ready(Ok(()))
            }
            fn call(&mut self, req: http::Request<B>) -> Self::Future {
                match req.uri().path() {
                    "/logical.PluginVersion/Version" => {
                        #[allow(non_camel_case_types)]
                        struct VersionSvc<T: PluginVersion>(pub Arc<T>);
                        impl<T: PluginVersion> tonic::server::UnaryService<super::Empty>
                        for VersionSvc<T> {
                            type Response = super::VersionReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as PluginVersion>::version(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = VersionSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    _ => {
                        Box::pin(async move {
                            let mut response = http::Response::new(
                                tonic::body::Body::default(),
                            );
                            let headers = response.headers_mut();
                            headers
                                .insert(
                                    tonic::Status::GRPC_STATUS,
                                    (tonic::Code::Unimplemented as i32).into(),
                                );
                            headers
                                .insert(
                                    http::header::CONTENT_TYPE,
                                    tonic::metadata::GRPC_CONTENT_TYPE,
                                );
                            Ok(response)
                        })
                    }
                }
            }
        }
        impl<T> Clone for PluginVersionServer<T> {
            fn clone(&self) -> Self {
                let inner = self.inner.clone();
                Self {
                    inner,
                    accept_compression_encodings: self.accept_compression_encodings,
                    send_compression_encodings: self.send_compression_encodings,
                    max_decoding_message_size: self.max_decoding_message_size,
                    max_encoding_message_size: self.max_encoding_message_size,
                }
            }
        }
        /// Generated gRPC service name
        pub const SERVICE_NAME: &str = "logical.PluginVersion";
        impl<T> tonic::server::NamedService for PluginVersionServer<T> {
            const NAME: &'static str = SERVICE_NAME;
        }
    }
}
pub mod pb {
    /// No content.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct Empty {}
    /// One HTTP header with all its values.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct Header {
        #[prost(string, repeated, tag = "1")]
        pub header: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    }
    /// A kind of error (`logical` package of the SDK) with its text; kinds from 11 on mean success.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct ProtoError {
        #[prost(uint32, tag = "1")]
        pub err_type: u32,
        #[prost(string, tag = "2")]
        pub err_msg: ::prost::alloc::string::String,
        #[prost(int64, tag = "3")]
        pub err_code: i64,
    }
    /// Special paths and storage keys of a backend.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct Paths {
        #[prost(string, repeated, tag = "1")]
        pub root: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
        #[prost(string, repeated, tag = "2")]
        pub unauthenticated: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
        #[prost(string, repeated, tag = "3")]
        pub local_storage: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
        #[prost(string, repeated, tag = "4")]
        pub seal_wrap_storage: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
        #[prost(string, repeated, tag = "5")]
        pub write_forwarded_storage: ::prost::alloc::vec::Vec<
            ::prost::alloc::string::String,
        >,
        /// HashiCorp Vault only, as the two below.
        #[prost(string, repeated, tag = "6")]
        pub binary: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
        #[prost(string, repeated, tag = "7")]
        pub limited: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
        #[prost(string, repeated, tag = "8")]
        pub allow_snapshot_read: ::prost::alloc::vec::Vec<
            ::prost::alloc::string::String,
        >,
    }
    /// A request to one mount. Numbers in `data` arrive as the user wrote them.
    #[derive(Clone, PartialEq, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct Request {
        #[prost(string, tag = "1")]
        pub id: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub replication_cluster: ::prost::alloc::string::String,
        #[prost(string, tag = "3")]
        pub operation: ::prost::alloc::string::String,
        #[prost(string, tag = "4")]
        pub path: ::prost::alloc::string::String,
        /// JSON text: an object, `null`, or nothing.
        #[prost(string, tag = "5")]
        pub data: ::prost::alloc::string::String,
        #[prost(message, optional, tag = "6")]
        pub secret: ::core::option::Option<Secret>,
        #[prost(message, optional, tag = "7")]
        pub auth: ::core::option::Option<Auth>,
        #[prost(btree_map = "string, message", tag = "8")]
        pub headers: ::prost::alloc::collections::BTreeMap<
            ::prost::alloc::string::String,
            Header,
        >,
        #[prost(string, tag = "9")]
        pub client_token: ::prost::alloc::string::String,
        #[prost(string, tag = "10")]
        pub client_token_accessor: ::prost::alloc::string::String,
        #[prost(string, tag = "11")]
        pub display_name: ::prost::alloc::string::String,
        #[prost(string, tag = "12")]
        pub mount_point: ::prost::alloc::string::String,
        #[prost(string, tag = "13")]
        pub mount_type: ::prost::alloc::string::String,
        #[prost(string, tag = "14")]
        pub mount_accessor: ::prost::alloc::string::String,
        #[prost(message, optional, tag = "15")]
        pub wrap_info: ::core::option::Option<RequestWrapInfo>,
        #[prost(int64, tag = "16")]
        pub client_token_remaining_uses: i64,
        #[prost(string, tag = "17")]
        pub entity_id: ::prost::alloc::string::String,
        #[prost(bool, tag = "18")]
        pub policy_override: bool,
        #[prost(bool, tag = "19")]
        pub unauthenticated: bool,
        #[prost(message, optional, tag = "20")]
        pub connection: ::core::option::Option<Connection>,
        /// HashiCorp Vault only.
        #[prost(string, tag = "21")]
        pub requires_snapshot_id: ::prost::alloc::string::String,
    }
    /// Of the type the plugin never is: an auth method's result.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct Auth {
        #[prost(message, optional, tag = "1")]
        pub lease_options: ::core::option::Option<LeaseOptions>,
    }
    /// How long a lease runs; durations in nanoseconds.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct LeaseOptions {
        #[prost(int64, tag = "1")]
        pub ttl: i64,
        #[prost(bool, tag = "2")]
        pub renewable: bool,
        #[prost(int64, tag = "3")]
        pub increment: i64,
        #[prost(message, optional, tag = "4")]
        pub issue_time: ::core::option::Option<::prost_types::Timestamp>,
        #[prost(int64, tag = "5")]
        pub max_ttl: i64,
    }
    /// A lease: what the host keeps for renew and revoke.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct Secret {
        #[prost(message, optional, tag = "1")]
        pub lease_options: ::core::option::Option<LeaseOptions>,
        /// JSON text of an object.
        #[prost(string, tag = "2")]
        pub internal_data: ::prost::alloc::string::String,
        #[prost(string, tag = "3")]
        pub lease_id: ::prost::alloc::string::String,
    }
    /// An answer.
    #[derive(Clone, PartialEq, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct Response {
        #[prost(message, optional, tag = "1")]
        pub secret: ::core::option::Option<Secret>,
        #[prost(message, optional, tag = "2")]
        pub auth: ::core::option::Option<Auth>,
        /// JSON text: an object or `null`; never nothing.
        #[prost(string, tag = "3")]
        pub data: ::prost::alloc::string::String,
        #[prost(string, tag = "4")]
        pub redirect: ::prost::alloc::string::String,
        #[prost(string, repeated, tag = "5")]
        pub warnings: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
        #[prost(message, optional, tag = "6")]
        pub wrap_info: ::core::option::Option<ResponseWrapInfo>,
        #[prost(btree_map = "string, message", tag = "7")]
        pub headers: ::prost::alloc::collections::BTreeMap<
            ::prost::alloc::string::String,
            Header,
        >,
        /// HashiCorp Vault only.
        #[prost(string, tag = "8")]
        pub mount_type: ::prost::alloc::string::String,
    }
    /// How the answer was asked to be wrapped; TTL in nanoseconds.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct RequestWrapInfo {
        #[prost(int64, tag = "1")]
        pub ttl: i64,
        #[prost(string, tag = "2")]
        pub format: ::prost::alloc::string::String,
        #[prost(bool, tag = "3")]
        pub seal_wrap: bool,
    }
    /// How an answer was wrapped; TTL in nanoseconds.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct ResponseWrapInfo {
        #[prost(int64, tag = "1")]
        pub ttl: i64,
        #[prost(string, tag = "2")]
        pub token: ::prost::alloc::string::String,
        #[prost(string, tag = "3")]
        pub accessor: ::prost::alloc::string::String,
        #[prost(message, optional, tag = "4")]
        pub creation_time: ::core::option::Option<::prost_types::Timestamp>,
        #[prost(string, tag = "5")]
        pub wrapped_accessor: ::prost::alloc::string::String,
        #[prost(string, tag = "6")]
        pub wrapped_entity_id: ::prost::alloc::string::String,
        #[prost(string, tag = "7")]
        pub format: ::prost::alloc::string::String,
        #[prost(string, tag = "8")]
        pub creation_path: ::prost::alloc::string::String,
        #[prost(bool, tag = "9")]
        pub seal_wrap: bool,
    }
    /// Where the request came from. TLS details are left out: unknown fields are ignored.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct Connection {
        #[prost(string, tag = "1")]
        pub remote_addr: ::prost::alloc::string::String,
        #[prost(int32, tag = "3")]
        pub remote_port: i32,
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct HandleRequestArgs {
        #[prost(uint32, tag = "1")]
        pub storage_id: u32,
        #[prost(message, optional, tag = "2")]
        pub request: ::core::option::Option<Request>,
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct HandleRequestReply {
        #[prost(message, optional, tag = "1")]
        pub response: ::core::option::Option<Response>,
        #[prost(message, optional, tag = "2")]
        pub err: ::core::option::Option<ProtoError>,
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct HandleExistenceCheckArgs {
        #[prost(uint32, tag = "1")]
        pub storage_id: u32,
        #[prost(message, optional, tag = "2")]
        pub request: ::core::option::Option<Request>,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct HandleExistenceCheckReply {
        #[prost(bool, tag = "1")]
        pub check_found: bool,
        #[prost(bool, tag = "2")]
        pub exists: bool,
        #[prost(message, optional, tag = "3")]
        pub err: ::core::option::Option<ProtoError>,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct SpecialPathsReply {
        #[prost(message, optional, tag = "1")]
        pub paths: ::core::option::Option<Paths>,
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct SetupArgs {
        #[prost(uint32, tag = "1")]
        pub broker_id: u32,
        #[prost(btree_map = "string, string", tag = "2")]
        pub config: ::prost::alloc::collections::BTreeMap<
            ::prost::alloc::string::String,
            ::prost::alloc::string::String,
        >,
        #[prost(string, tag = "3")]
        pub backend_uuid: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct SetupReply {
        #[prost(string, tag = "1")]
        pub err: ::prost::alloc::string::String,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct InitializeArgs {}
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct InitializeReply {
        #[prost(message, optional, tag = "1")]
        pub err: ::core::option::Option<ProtoError>,
    }
    /// 0 unknown, 1 secrets engine, 2 auth method.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct TypeReply {
        #[prost(uint32, tag = "1")]
        pub r#type: u32,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct InvalidateKeyArgs {
        #[prost(string, tag = "1")]
        pub key: ::prost::alloc::string::String,
    }
    /// A stored value.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StorageEntry {
        #[prost(string, tag = "1")]
        pub key: ::prost::alloc::string::String,
        #[prost(bytes = "vec", tag = "2")]
        pub value: ::prost::alloc::vec::Vec<u8>,
        #[prost(bool, tag = "3")]
        pub seal_wrap: bool,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StorageListArgs {
        #[prost(string, tag = "1")]
        pub prefix: ::prost::alloc::string::String,
        /// OpenBao only, as every `txn` below.
        #[prost(string, tag = "2")]
        pub txn: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StorageListPageArgs {
        #[prost(string, tag = "1")]
        pub prefix: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub after: ::prost::alloc::string::String,
        #[prost(int32, tag = "3")]
        pub limit: i32,
        #[prost(string, tag = "4")]
        pub txn: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StorageListReply {
        #[prost(string, repeated, tag = "1")]
        pub keys: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
        #[prost(string, tag = "2")]
        pub err: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StorageGetArgs {
        #[prost(string, tag = "1")]
        pub key: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub txn: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StorageGetReply {
        #[prost(message, optional, tag = "1")]
        pub entry: ::core::option::Option<StorageEntry>,
        #[prost(string, tag = "2")]
        pub err: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StoragePutArgs {
        #[prost(message, optional, tag = "1")]
        pub entry: ::core::option::Option<StorageEntry>,
        #[prost(string, tag = "2")]
        pub txn: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StoragePutReply {
        #[prost(string, tag = "1")]
        pub err: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StorageDeleteArgs {
        #[prost(string, tag = "1")]
        pub key: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub txn: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StorageDeleteReply {
        #[prost(string, tag = "1")]
        pub err: ::prost::alloc::string::String,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct StorageIsTransactionalReply {
        #[prost(bool, tag = "1")]
        pub transactional: bool,
    }
    /// Nanoseconds.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct TtlReply {
        #[prost(int64, tag = "1")]
        pub ttl: i64,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct TaintedReply {
        #[prost(bool, tag = "1")]
        pub tainted: bool,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct CachingDisabledReply {
        #[prost(bool, tag = "1")]
        pub disabled: bool,
    }
    /// Bits of the SDK's `consts.ReplicationState`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct ReplicationStateReply {
        #[prost(int32, tag = "1")]
        pub state: i32,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct MlockEnabledReply {
        #[prost(bool, tag = "1")]
        pub enabled: bool,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct LocalMountReply {
        #[prost(bool, tag = "1")]
        pub local: bool,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct EntityInfoArgs {
        #[prost(string, tag = "1")]
        pub entity_id: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct EntityInfoReply {
        #[prost(message, optional, tag = "1")]
        pub entity: ::core::option::Option<super::logical::Entity>,
        #[prost(string, tag = "2")]
        pub err: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct GroupsForEntityReply {
        #[prost(message, repeated, tag = "1")]
        pub groups: ::prost::alloc::vec::Vec<super::logical::Group>,
        #[prost(string, tag = "2")]
        pub err: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct PluginEnvReply {
        #[prost(message, optional, tag = "1")]
        pub plugin_environment: ::core::option::Option<
            super::logical::PluginEnvironment,
        >,
        #[prost(string, tag = "2")]
        pub err: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct GeneratePasswordFromPolicyRequest {
        #[prost(string, tag = "1")]
        pub policy_name: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct GeneratePasswordFromPolicyReply {
        #[prost(string, tag = "1")]
        pub password: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    #[prost(skip_debug)]
    pub struct ClusterInfoReply {
        #[prost(string, tag = "1")]
        pub cluster_name: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub cluster_id: ::prost::alloc::string::String,
        #[prost(string, tag = "3")]
        pub err: ::prost::alloc::string::String,
    }
    /// Generated client implementations.
    pub mod backend_client {
        #![allow(
            unused_variables,
            dead_code,
            missing_docs,
            clippy::wildcard_imports,
            clippy::let_unit_value,
        )]
        use tonic::codegen::*;
        use tonic::codegen::http::Uri;
        /// What the host asks of a mount, found by the metadata key `multiplex_id`.
        #[derive(Debug, Clone)]
        pub struct BackendClient<T> {
            inner: tonic::client::Grpc<T>,
        }
        impl<T> BackendClient<T>
        where
            T: tonic::client::GrpcService<tonic::body::Body>,
            T::Error: Into<StdError>,
            T::ResponseBody: Body<Data = Bytes> + std::marker::Send + 'static,
            <T::ResponseBody as Body>::Error: Into<StdError> + std::marker::Send,
        {
            pub fn new(inner: T) -> Self {
                let inner = tonic::client::Grpc::new(inner);
                Self { inner }
            }
            pub fn with_origin(inner: T, origin: Uri) -> Self {
                let inner = tonic::client::Grpc::with_origin(inner, origin);
                Self { inner }
            }
            pub fn with_interceptor<F>(
                inner: T,
                interceptor: F,
            ) -> BackendClient<InterceptedService<T, F>>
            where
                F: tonic::service::Interceptor,
                T::ResponseBody: Default,
                T: tonic::codegen::Service<
                    http::Request<tonic::body::Body>,
                    Response = http::Response<
                        <T as tonic::client::GrpcService<
                            tonic::body::Body,
                        >>::ResponseBody,
                    >,
                >,
                <T as tonic::codegen::Service<
                    http::Request<tonic::body::Body>,
                >>::Error: Into<StdError> + std::marker::Send + std::marker::Sync,
            {
                BackendClient::new(InterceptedService::new(inner, interceptor))
            }
            /// Compress requests with the given encoding.
            ///
            /// This requires the server to support it otherwise it might respond with an
            /// error.
            #[must_use]
            pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.inner = self.inner.send_compressed(encoding);
                self
            }
            /// Enable decompressing responses.
            #[must_use]
            pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.inner = self.inner.accept_compressed(encoding);
                self
            }
            /// Limits the maximum size of a decoded message.
            ///
            /// Default: `4MB`
            #[must_use]
            pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                self.inner = self.inner.max_decoding_message_size(limit);
                self
            }
            /// Limits the maximum size of an encoded message.
            ///
            /// Default: `usize::MAX`
            #[must_use]
            pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                self.inner = self.inner.max_encoding_message_size(limit);
                self
            }
            pub async fn handle_request(
                &mut self,
                request: impl tonic::IntoRequest<super::HandleRequestArgs>,
            ) -> std::result::Result<
                tonic::Response<super::HandleRequestReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.Backend/HandleRequest",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.Backend", "HandleRequest"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn special_paths(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::SpecialPathsReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.Backend/SpecialPaths",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.Backend", "SpecialPaths"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn handle_existence_check(
                &mut self,
                request: impl tonic::IntoRequest<super::HandleExistenceCheckArgs>,
            ) -> std::result::Result<
                tonic::Response<super::HandleExistenceCheckReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.Backend/HandleExistenceCheck",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.Backend", "HandleExistenceCheck"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn cleanup(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<tonic::Response<super::Empty>, tonic::Status> {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static("/pb.Backend/Cleanup");
                let mut req = request.into_request();
                req.extensions_mut().insert(GrpcMethod::new("pb.Backend", "Cleanup"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn invalidate_key(
                &mut self,
                request: impl tonic::IntoRequest<super::InvalidateKeyArgs>,
            ) -> std::result::Result<tonic::Response<super::Empty>, tonic::Status> {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.Backend/InvalidateKey",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.Backend", "InvalidateKey"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn setup(
                &mut self,
                request: impl tonic::IntoRequest<super::SetupArgs>,
            ) -> std::result::Result<tonic::Response<super::SetupReply>, tonic::Status> {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static("/pb.Backend/Setup");
                let mut req = request.into_request();
                req.extensions_mut().insert(GrpcMethod::new("pb.Backend", "Setup"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn initialize(
                &mut self,
                request: impl tonic::IntoRequest<super::InitializeArgs>,
            ) -> std::result::Result<
                tonic::Response<super::InitializeReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.Backend/Initialize",
                );
                let mut req = request.into_request();
                req.extensions_mut().insert(GrpcMethod::new("pb.Backend", "Initialize"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn r#type(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<tonic::Response<super::TypeReply>, tonic::Status> {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static("/pb.Backend/Type");
                let mut req = request.into_request();
                req.extensions_mut().insert(GrpcMethod::new("pb.Backend", "Type"));
                self.inner.unary(req, path, codec).await
            }
        }
    }
    /// Generated server implementations.
    pub mod backend_server {
        #![allow(
            unused_variables,
            dead_code,
            missing_docs,
            clippy::wildcard_imports,
            clippy::let_unit_value,
        )]
        use tonic::codegen::*;
        /// Generated trait containing gRPC methods that should be implemented for use with BackendServer.
        #[async_trait]
        pub trait Backend: std::marker::Send + std::marker::Sync + 'static {
            async fn handle_request(
                &self,
                request: tonic::Request<super::HandleRequestArgs>,
            ) -> std::result::Result<
                tonic::Response<super::HandleRequestReply>,
                tonic::Status,
            >;
            async fn special_paths(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::SpecialPathsReply>,
                tonic::Status,
            >;
            async fn handle_existence_check(
                &self,
                request: tonic::Request<super::HandleExistenceCheckArgs>,
            ) -> std::result::Result<
                tonic::Response<super::HandleExistenceCheckReply>,
                tonic::Status,
            >;
            async fn cleanup(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<tonic::Response<super::Empty>, tonic::Status>;
            async fn invalidate_key(
                &self,
                request: tonic::Request<super::InvalidateKeyArgs>,
            ) -> std::result::Result<tonic::Response<super::Empty>, tonic::Status>;
            async fn setup(
                &self,
                request: tonic::Request<super::SetupArgs>,
            ) -> std::result::Result<tonic::Response<super::SetupReply>, tonic::Status>;
            async fn initialize(
                &self,
                request: tonic::Request<super::InitializeArgs>,
            ) -> std::result::Result<
                tonic::Response<super::InitializeReply>,
                tonic::Status,
            >;
            async fn r#type(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<tonic::Response<super::TypeReply>, tonic::Status>;
        }
        /// What the host asks of a mount, found by the metadata key `multiplex_id`.
        #[derive(Debug)]
        pub struct BackendServer<T> {
            inner: Arc<T>,
            accept_compression_encodings: EnabledCompressionEncodings,
            send_compression_encodings: EnabledCompressionEncodings,
            max_decoding_message_size: Option<usize>,
            max_encoding_message_size: Option<usize>,
        }
        impl<T> BackendServer<T> {
            pub fn new(inner: T) -> Self {
                Self::from_arc(Arc::new(inner))
            }
            pub fn from_arc(inner: Arc<T>) -> Self {
                Self {
                    inner,
                    accept_compression_encodings: Default::default(),
                    send_compression_encodings: Default::default(),
                    max_decoding_message_size: None,
                    max_encoding_message_size: None,
                }
            }
            pub fn with_interceptor<F>(
                inner: T,
                interceptor: F,
            ) -> InterceptedService<Self, F>
            where
                F: tonic::service::Interceptor,
            {
                InterceptedService::new(Self::new(inner), interceptor)
            }
            /// Enable decompressing requests with the given encoding.
            #[must_use]
            pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.accept_compression_encodings.enable(encoding);
                self
            }
            /// Compress responses with the given encoding, if the client supports it.
            #[must_use]
            pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.send_compression_encodings.enable(encoding);
                self
            }
            /// Limits the maximum size of a decoded message.
            ///
            /// Default: `4MB`
            #[must_use]
            pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                self.max_decoding_message_size = Some(limit);
                self
            }
            /// Limits the maximum size of an encoded message.
            ///
            /// Default: `usize::MAX`
            #[must_use]
            pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                self.max_encoding_message_size = Some(limit);
                self
            }
        }
        impl<T, B> tonic::codegen::Service<http::Request<B>> for BackendServer<T>
        where
            T: Backend,
            B: Body + std::marker::Send + 'static,
            B::Error: Into<StdError> + std::marker::Send + 'static,
        {
            type Response = http::Response<tonic::body::Body>;
            type Error = std::convert::Infallible;
            type Future = BoxFuture<Self::Response, Self::Error>;
            fn poll_ready(
                &mut self,
                _cx: &mut Context<'_>,
            ) -> Poll<std::result::Result<(), Self::Error>> {
                Poll::Ready(Ok(()))
            }
            fn call(&mut self, req: http::Request<B>) -> Self::Future {
                match req.uri().path() {
                    "/pb.Backend/HandleRequest" => {
                        #[allow(non_camel_case_types)]
                        struct HandleRequestSvc<T: Backend>(pub Arc<T>);
                        impl<
                            T: Backend,
                        > tonic::server::UnaryService<super::HandleRequestArgs>
                        for HandleRequestSvc<T> {
                            type Response = super::HandleRequestReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::HandleRequestArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Backend>::handle_request(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = HandleRequestSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Backend/SpecialPaths" => {
                        #[allow(non_camel_case_types)]
                        struct SpecialPathsSvc<T: Backend>(pub Arc<T>);
                        impl<T: Backend> tonic::server::UnaryService<super::Empty>
                        for SpecialPathsSvc<T> {
                            type Response = super::SpecialPathsReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Backend>::special_paths(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = SpecialPathsSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Backend/HandleExistenceCheck" => {
                        #[allow(non_camel_case_types)]
                        struct HandleExistenceCheckSvc<T: Backend>(pub Arc<T>);
                        impl<
                            T: Backend,
                        > tonic::server::UnaryService<super::HandleExistenceCheckArgs>
                        for HandleExistenceCheckSvc<T> {
                            type Response = super::HandleExistenceCheckReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::HandleExistenceCheckArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Backend>::handle_existence_check(&inner, request)
                                        .await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = HandleExistenceCheckSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Backend/Cleanup" => {
                        #[allow(non_camel_case_types)]
                        struct CleanupSvc<T: Backend>(pub Arc<T>);
                        impl<T: Backend> tonic::server::UnaryService<super::Empty>
                        for CleanupSvc<T> {
                            type Response = super::Empty;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Backend>::cleanup(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = CleanupSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Backend/InvalidateKey" => {
                        #[allow(non_camel_case_types)]
                        struct InvalidateKeySvc<T: Backend>(pub Arc<T>);
                        impl<
                            T: Backend,
                        > tonic::server::UnaryService<super::InvalidateKeyArgs>
                        for InvalidateKeySvc<T> {
                            type Response = super::Empty;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::InvalidateKeyArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Backend>::invalidate_key(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = InvalidateKeySvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Backend/Setup" => {
                        #[allow(non_camel_case_types)]
                        struct SetupSvc<T: Backend>(pub Arc<T>);
                        impl<T: Backend> tonic::server::UnaryService<super::SetupArgs>
                        for SetupSvc<T> {
                            type Response = super::SetupReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::SetupArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Backend>::setup(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = SetupSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Backend/Initialize" => {
                        #[allow(non_camel_case_types)]
                        struct InitializeSvc<T: Backend>(pub Arc<T>);
                        impl<
                            T: Backend,
                        > tonic::server::UnaryService<super::InitializeArgs>
                        for InitializeSvc<T> {
                            type Response = super::InitializeReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::InitializeArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Backend>::initialize(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = InitializeSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Backend/Type" => {
                        #[allow(non_camel_case_types)]
                        struct TypeSvc<T: Backend>(pub Arc<T>);
                        impl<T: Backend> tonic::server::UnaryService<super::Empty>
                        for TypeSvc<T> {
                            type Response = super::TypeReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Backend>::r#type(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = TypeSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    _ => {
                        Box::pin(async move {
                            let mut response = http::Response::new(
                                tonic::body::Body::default(),
                            );
                            let headers = response.headers_mut();
                            headers
                                .insert(
                                    tonic::Status::GRPC_STATUS,
                                    (tonic::Code::Unimplemented as i32).into(),
                                );
                            headers
                                .insert(
                                    http::header::CONTENT_TYPE,
                                    tonic::metadata::GRPC_CONTENT_TYPE,
                                );
                            Ok(response)
                        })
                    }
                }
            }
        }
        impl<T> Clone for BackendServer<T> {
            fn clone(&self) -> Self {
                let inner = self.inner.clone();
                Self {
                    inner,
                    accept_compression_encodings: self.accept_compression_encodings,
                    send_compression_encodings: self.send_compression_encodings,
                    max_decoding_message_size: self.max_decoding_message_size,
                    max_encoding_message_size: self.max_encoding_message_size,
                }
            }
        }
        /// Generated gRPC service name
        pub const SERVICE_NAME: &str = "pb.Backend";
        impl<T> tonic::server::NamedService for BackendServer<T> {
            const NAME: &'static str = SERVICE_NAME;
        }
    }
    /// Generated client implementations.
    pub mod storage_client {
        #![allow(
            unused_variables,
            dead_code,
            missing_docs,
            clippy::wildcard_imports,
            clippy::let_unit_value,
        )]
        use tonic::codegen::*;
        use tonic::codegen::http::Uri;
        /// The mount's storage, served by the host on the brokered connection. OpenBao's transactions are
        /// left out but for the question whether there are any: no feature may depend on them.
        #[derive(Debug, Clone)]
        pub struct StorageClient<T> {
            inner: tonic::client::Grpc<T>,
        }
        impl<T> StorageClient<T>
        where
            T: tonic::client::GrpcService<tonic::body::Body>,
            T::Error: Into<StdError>,
            T::ResponseBody: Body<Data = Bytes> + std::marker::Send + 'static,
            <T::ResponseBody as Body>::Error: Into<StdError> + std::marker::Send,
        {
            pub fn new(inner: T) -> Self {
                let inner = tonic::client::Grpc::new(inner);
                Self { inner }
            }
            pub fn with_origin(inner: T, origin: Uri) -> Self {
                let inner = tonic::client::Grpc::with_origin(inner, origin);
                Self { inner }
            }
            pub fn with_interceptor<F>(
                inner: T,
                interceptor: F,
            ) -> StorageClient<InterceptedService<T, F>>
            where
                F: tonic::service::Interceptor,
                T::ResponseBody: Default,
                T: tonic::codegen::Service<
                    http::Request<tonic::body::Body>,
                    Response = http::Response<
                        <T as tonic::client::GrpcService<
                            tonic::body::Body,
                        >>::ResponseBody,
                    >,
                >,
                <T as tonic::codegen::Service<
                    http::Request<tonic::body::Body>,
                >>::Error: Into<StdError> + std::marker::Send + std::marker::Sync,
            {
                StorageClient::new(InterceptedService::new(inner, interceptor))
            }
            /// Compress requests with the given encoding.
            ///
            /// This requires the server to support it otherwise it might respond with an
            /// error.
            #[must_use]
            pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.inner = self.inner.send_compressed(encoding);
                self
            }
            /// Enable decompressing responses.
            #[must_use]
            pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.inner = self.inner.accept_compressed(encoding);
                self
            }
            /// Limits the maximum size of a decoded message.
            ///
            /// Default: `4MB`
            #[must_use]
            pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                self.inner = self.inner.max_decoding_message_size(limit);
                self
            }
            /// Limits the maximum size of an encoded message.
            ///
            /// Default: `usize::MAX`
            #[must_use]
            pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                self.inner = self.inner.max_encoding_message_size(limit);
                self
            }
            pub async fn list(
                &mut self,
                request: impl tonic::IntoRequest<super::StorageListArgs>,
            ) -> std::result::Result<
                tonic::Response<super::StorageListReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static("/pb.Storage/List");
                let mut req = request.into_request();
                req.extensions_mut().insert(GrpcMethod::new("pb.Storage", "List"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn list_page(
                &mut self,
                request: impl tonic::IntoRequest<super::StorageListPageArgs>,
            ) -> std::result::Result<
                tonic::Response<super::StorageListReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static("/pb.Storage/ListPage");
                let mut req = request.into_request();
                req.extensions_mut().insert(GrpcMethod::new("pb.Storage", "ListPage"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn get(
                &mut self,
                request: impl tonic::IntoRequest<super::StorageGetArgs>,
            ) -> std::result::Result<
                tonic::Response<super::StorageGetReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static("/pb.Storage/Get");
                let mut req = request.into_request();
                req.extensions_mut().insert(GrpcMethod::new("pb.Storage", "Get"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn put(
                &mut self,
                request: impl tonic::IntoRequest<super::StoragePutArgs>,
            ) -> std::result::Result<
                tonic::Response<super::StoragePutReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static("/pb.Storage/Put");
                let mut req = request.into_request();
                req.extensions_mut().insert(GrpcMethod::new("pb.Storage", "Put"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn delete(
                &mut self,
                request: impl tonic::IntoRequest<super::StorageDeleteArgs>,
            ) -> std::result::Result<
                tonic::Response<super::StorageDeleteReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static("/pb.Storage/Delete");
                let mut req = request.into_request();
                req.extensions_mut().insert(GrpcMethod::new("pb.Storage", "Delete"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn is_transactional(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::StorageIsTransactionalReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.Storage/IsTransactional",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.Storage", "IsTransactional"));
                self.inner.unary(req, path, codec).await
            }
        }
    }
    /// Generated server implementations.
    pub mod storage_server {
        #![allow(
            unused_variables,
            dead_code,
            missing_docs,
            clippy::wildcard_imports,
            clippy::let_unit_value,
        )]
        use tonic::codegen::*;
        /// Generated trait containing gRPC methods that should be implemented for use with StorageServer.
        #[async_trait]
        pub trait Storage: std::marker::Send + std::marker::Sync + 'static {
            async fn list(
                &self,
                request: tonic::Request<super::StorageListArgs>,
            ) -> std::result::Result<
                tonic::Response<super::StorageListReply>,
                tonic::Status,
            >;
            async fn list_page(
                &self,
                request: tonic::Request<super::StorageListPageArgs>,
            ) -> std::result::Result<
                tonic::Response<super::StorageListReply>,
                tonic::Status,
            >;
            async fn get(
                &self,
                request: tonic::Request<super::StorageGetArgs>,
            ) -> std::result::Result<
                tonic::Response<super::StorageGetReply>,
                tonic::Status,
            >;
            async fn put(
                &self,
                request: tonic::Request<super::StoragePutArgs>,
            ) -> std::result::Result<
                tonic::Response<super::StoragePutReply>,
                tonic::Status,
            >;
            async fn delete(
                &self,
                request: tonic::Request<super::StorageDeleteArgs>,
            ) -> std::result::Result<
                tonic::Response<super::StorageDeleteReply>,
                tonic::Status,
            >;
            async fn is_transactional(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::StorageIsTransactionalReply>,
                tonic::Status,
            >;
        }
        /// The mount's storage, served by the host on the brokered connection. OpenBao's transactions are
        /// left out but for the question whether there are any: no feature may depend on them.
        #[derive(Debug)]
        pub struct StorageServer<T> {
            inner: Arc<T>,
            accept_compression_encodings: EnabledCompressionEncodings,
            send_compression_encodings: EnabledCompressionEncodings,
            max_decoding_message_size: Option<usize>,
            max_encoding_message_size: Option<usize>,
        }
        impl<T> StorageServer<T> {
            pub fn new(inner: T) -> Self {
                Self::from_arc(Arc::new(inner))
            }
            pub fn from_arc(inner: Arc<T>) -> Self {
                Self {
                    inner,
                    accept_compression_encodings: Default::default(),
                    send_compression_encodings: Default::default(),
                    max_decoding_message_size: None,
                    max_encoding_message_size: None,
                }
            }
            pub fn with_interceptor<F>(
                inner: T,
                interceptor: F,
            ) -> InterceptedService<Self, F>
            where
                F: tonic::service::Interceptor,
            {
                InterceptedService::new(Self::new(inner), interceptor)
            }
            /// Enable decompressing requests with the given encoding.
            #[must_use]
            pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.accept_compression_encodings.enable(encoding);
                self
            }
            /// Compress responses with the given encoding, if the client supports it.
            #[must_use]
            pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.send_compression_encodings.enable(encoding);
                self
            }
            /// Limits the maximum size of a decoded message.
            ///
            /// Default: `4MB`
            #[must_use]
            pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                self.max_decoding_message_size = Some(limit);
                self
            }
            /// Limits the maximum size of an encoded message.
            ///
            /// Default: `usize::MAX`
            #[must_use]
            pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                self.max_encoding_message_size = Some(limit);
                self
            }
        }
        impl<T, B> tonic::codegen::Service<http::Request<B>> for StorageServer<T>
        where
            T: Storage,
            B: Body + std::marker::Send + 'static,
            B::Error: Into<StdError> + std::marker::Send + 'static,
        {
            type Response = http::Response<tonic::body::Body>;
            type Error = std::convert::Infallible;
            type Future = BoxFuture<Self::Response, Self::Error>;
            fn poll_ready(
                &mut self,
                _cx: &mut Context<'_>,
            ) -> Poll<std::result::Result<(), Self::Error>> {
                Poll::Ready(Ok(()))
            }
            fn call(&mut self, req: http::Request<B>) -> Self::Future {
                match req.uri().path() {
                    "/pb.Storage/List" => {
                        #[allow(non_camel_case_types)]
                        struct ListSvc<T: Storage>(pub Arc<T>);
                        impl<
                            T: Storage,
                        > tonic::server::UnaryService<super::StorageListArgs>
                        for ListSvc<T> {
                            type Response = super::StorageListReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::StorageListArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Storage>::list(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = ListSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Storage/ListPage" => {
                        #[allow(non_camel_case_types)]
                        struct ListPageSvc<T: Storage>(pub Arc<T>);
                        impl<
                            T: Storage,
                        > tonic::server::UnaryService<super::StorageListPageArgs>
                        for ListPageSvc<T> {
                            type Response = super::StorageListReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::StorageListPageArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Storage>::list_page(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = ListPageSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Storage/Get" => {
                        #[allow(non_camel_case_types)]
                        struct GetSvc<T: Storage>(pub Arc<T>);
                        impl<
                            T: Storage,
                        > tonic::server::UnaryService<super::StorageGetArgs>
                        for GetSvc<T> {
                            type Response = super::StorageGetReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::StorageGetArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Storage>::get(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = GetSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Storage/Put" => {
                        #[allow(non_camel_case_types)]
                        struct PutSvc<T: Storage>(pub Arc<T>);
                        impl<
                            T: Storage,
                        > tonic::server::UnaryService<super::StoragePutArgs>
                        for PutSvc<T> {
                            type Response = super::StoragePutReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::StoragePutArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Storage>::put(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = PutSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Storage/Delete" => {
                        #[allow(non_camel_case_types)]
                        struct DeleteSvc<T: Storage>(pub Arc<T>);
                        impl<
                            T: Storage,
                        > tonic::server::UnaryService<super::StorageDeleteArgs>
                        for DeleteSvc<T> {
                            type Response = super::StorageDeleteReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::StorageDeleteArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Storage>::delete(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = DeleteSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.Storage/IsTransactional" => {
                        #[allow(non_camel_case_types)]
                        struct IsTransactionalSvc<T: Storage>(pub Arc<T>);
                        impl<T: Storage> tonic::server::UnaryService<super::Empty>
                        for IsTransactionalSvc<T> {
                            type Response = super::StorageIsTransactionalReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as Storage>::is_transactional(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = IsTransactionalSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    _ => {
                        Box::pin(async move {
                            let mut response = http::Response::new(
                                tonic::body::Body::default(),
                            );
                            let headers = response.headers_mut();
                            headers
                                .insert(
                                    tonic::Status::GRPC_STATUS,
                                    (tonic::Code::Unimplemented as i32).into(),
                                );
                            headers
                                .insert(
                                    http::header::CONTENT_TYPE,
                                    tonic::metadata::GRPC_CONTENT_TYPE,
                                );
                            Ok(response)
                        })
                    }
                }
            }
        }
        impl<T> Clone for StorageServer<T> {
            fn clone(&self) -> Self {
                let inner = self.inner.clone();
                Self {
                    inner,
                    accept_compression_encodings: self.accept_compression_encodings,
                    send_compression_encodings: self.send_compression_encodings,
                    max_decoding_message_size: self.max_decoding_message_size,
                    max_encoding_message_size: self.max_encoding_message_size,
                }
            }
        }
        /// Generated gRPC service name
        pub const SERVICE_NAME: &str = "pb.Storage";
        impl<T> tonic::server::NamedService for StorageServer<T> {
            const NAME: &'static str = SERVICE_NAME;
        }
    }
    /// Generated client implementations.
    pub mod system_view_client {
        #![allow(
            unused_variables,
            dead_code,
            missing_docs,
            clippy::wildcard_imports,
            clippy::let_unit_value,
        )]
        use tonic::codegen::*;
        use tonic::codegen::http::Uri;
        /// The host's view of the mount, served on the brokered connection. What needs HashiCorp Vault
        /// Enterprise or never works over gRPC is left out.
        #[derive(Debug, Clone)]
        pub struct SystemViewClient<T> {
            inner: tonic::client::Grpc<T>,
        }
        impl<T> SystemViewClient<T>
        where
            T: tonic::client::GrpcService<tonic::body::Body>,
            T::Error: Into<StdError>,
            T::ResponseBody: Body<Data = Bytes> + std::marker::Send + 'static,
            <T::ResponseBody as Body>::Error: Into<StdError> + std::marker::Send,
        {
            pub fn new(inner: T) -> Self {
                let inner = tonic::client::Grpc::new(inner);
                Self { inner }
            }
            pub fn with_origin(inner: T, origin: Uri) -> Self {
                let inner = tonic::client::Grpc::with_origin(inner, origin);
                Self { inner }
            }
            pub fn with_interceptor<F>(
                inner: T,
                interceptor: F,
            ) -> SystemViewClient<InterceptedService<T, F>>
            where
                F: tonic::service::Interceptor,
                T::ResponseBody: Default,
                T: tonic::codegen::Service<
                    http::Request<tonic::body::Body>,
                    Response = http::Response<
                        <T as tonic::client::GrpcService<
                            tonic::body::Body,
                        >>::ResponseBody,
                    >,
                >,
                <T as tonic::codegen::Service<
                    http::Request<tonic::body::Body>,
                >>::Error: Into<StdError> + std::marker::Send + std::marker::Sync,
            {
                SystemViewClient::new(InterceptedService::new(inner, interceptor))
            }
            /// Compress requests with the given encoding.
            ///
            /// This requires the server to support it otherwise it might respond with an
            /// error.
            #[must_use]
            pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.inner = self.inner.send_compressed(encoding);
                self
            }
            /// Enable decompressing responses.
            #[must_use]
            pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.inner = self.inner.accept_compressed(encoding);
                self
            }
            /// Limits the maximum size of a decoded message.
            ///
            /// Default: `4MB`
            #[must_use]
            pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                self.inner = self.inner.max_decoding_message_size(limit);
                self
            }
            /// Limits the maximum size of an encoded message.
            ///
            /// Default: `usize::MAX`
            #[must_use]
            pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                self.inner = self.inner.max_encoding_message_size(limit);
                self
            }
            pub async fn default_lease_ttl(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<tonic::Response<super::TtlReply>, tonic::Status> {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/DefaultLeaseTTL",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.SystemView", "DefaultLeaseTTL"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn max_lease_ttl(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<tonic::Response<super::TtlReply>, tonic::Status> {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/MaxLeaseTTL",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.SystemView", "MaxLeaseTTL"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn tainted(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::TaintedReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/Tainted",
                );
                let mut req = request.into_request();
                req.extensions_mut().insert(GrpcMethod::new("pb.SystemView", "Tainted"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn caching_disabled(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::CachingDisabledReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/CachingDisabled",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.SystemView", "CachingDisabled"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn replication_state(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::ReplicationStateReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/ReplicationState",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.SystemView", "ReplicationState"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn mlock_enabled(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::MlockEnabledReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/MlockEnabled",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.SystemView", "MlockEnabled"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn local_mount(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::LocalMountReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/LocalMount",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.SystemView", "LocalMount"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn entity_info(
                &mut self,
                request: impl tonic::IntoRequest<super::EntityInfoArgs>,
            ) -> std::result::Result<
                tonic::Response<super::EntityInfoReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/EntityInfo",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.SystemView", "EntityInfo"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn plugin_env(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::PluginEnvReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/PluginEnv",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.SystemView", "PluginEnv"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn groups_for_entity(
                &mut self,
                request: impl tonic::IntoRequest<super::EntityInfoArgs>,
            ) -> std::result::Result<
                tonic::Response<super::GroupsForEntityReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/GroupsForEntity",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.SystemView", "GroupsForEntity"));
                self.inner.unary(req, path, codec).await
            }
            pub async fn generate_password_from_policy(
                &mut self,
                request: impl tonic::IntoRequest<
                    super::GeneratePasswordFromPolicyRequest,
                >,
            ) -> std::result::Result<
                tonic::Response<super::GeneratePasswordFromPolicyReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/GeneratePasswordFromPolicy",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(
                        GrpcMethod::new("pb.SystemView", "GeneratePasswordFromPolicy"),
                    );
                self.inner.unary(req, path, codec).await
            }
            pub async fn cluster_info(
                &mut self,
                request: impl tonic::IntoRequest<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::ClusterInfoReply>,
                tonic::Status,
            > {
                self.inner
                    .ready()
                    .await
                    .map_err(|e| {
                        tonic::Status::unknown(
                            format!("Service was not ready: {}", e.into()),
                        )
                    })?;
                let codec = tonic_prost::ProstCodec::default();
                let path = http::uri::PathAndQuery::from_static(
                    "/pb.SystemView/ClusterInfo",
                );
                let mut req = request.into_request();
                req.extensions_mut()
                    .insert(GrpcMethod::new("pb.SystemView", "ClusterInfo"));
                self.inner.unary(req, path, codec).await
            }
        }
    }
    /// Generated server implementations.
    pub mod system_view_server {
        #![allow(
            unused_variables,
            dead_code,
            missing_docs,
            clippy::wildcard_imports,
            clippy::let_unit_value,
        )]
        use tonic::codegen::*;
        /// Generated trait containing gRPC methods that should be implemented for use with SystemViewServer.
        #[async_trait]
        pub trait SystemView: std::marker::Send + std::marker::Sync + 'static {
            async fn default_lease_ttl(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<tonic::Response<super::TtlReply>, tonic::Status>;
            async fn max_lease_ttl(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<tonic::Response<super::TtlReply>, tonic::Status>;
            async fn tainted(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::TaintedReply>,
                tonic::Status,
            >;
            async fn caching_disabled(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::CachingDisabledReply>,
                tonic::Status,
            >;
            async fn replication_state(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::ReplicationStateReply>,
                tonic::Status,
            >;
            async fn mlock_enabled(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::MlockEnabledReply>,
                tonic::Status,
            >;
            async fn local_mount(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::LocalMountReply>,
                tonic::Status,
            >;
            async fn entity_info(
                &self,
                request: tonic::Request<super::EntityInfoArgs>,
            ) -> std::result::Result<
                tonic::Response<super::EntityInfoReply>,
                tonic::Status,
            >;
            async fn plugin_env(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::PluginEnvReply>,
                tonic::Status,
            >;
            async fn groups_for_entity(
                &self,
                request: tonic::Request<super::EntityInfoArgs>,
            ) -> std::result::Result<
                tonic::Response<super::GroupsForEntityReply>,
                tonic::Status,
            >;
            async fn generate_password_from_policy(
                &self,
                request: tonic::Request<super::GeneratePasswordFromPolicyRequest>,
            ) -> std::result::Result<
                tonic::Response<super::GeneratePasswordFromPolicyReply>,
                tonic::Status,
            >;
            async fn cluster_info(
                &self,
                request: tonic::Request<super::Empty>,
            ) -> std::result::Result<
                tonic::Response<super::ClusterInfoReply>,
                tonic::Status,
            >;
        }
        /// The host's view of the mount, served on the brokered connection. What needs HashiCorp Vault
        /// Enterprise or never works over gRPC is left out.
        #[derive(Debug)]
        pub struct SystemViewServer<T> {
            inner: Arc<T>,
            accept_compression_encodings: EnabledCompressionEncodings,
            send_compression_encodings: EnabledCompressionEncodings,
            max_decoding_message_size: Option<usize>,
            max_encoding_message_size: Option<usize>,
        }
        impl<T> SystemViewServer<T> {
            pub fn new(inner: T) -> Self {
                Self::from_arc(Arc::new(inner))
            }
            pub fn from_arc(inner: Arc<T>) -> Self {
                Self {
                    inner,
                    accept_compression_encodings: Default::default(),
                    send_compression_encodings: Default::default(),
                    max_decoding_message_size: None,
                    max_encoding_message_size: None,
                }
            }
            pub fn with_interceptor<F>(
                inner: T,
                interceptor: F,
            ) -> InterceptedService<Self, F>
            where
                F: tonic::service::Interceptor,
            {
                InterceptedService::new(Self::new(inner), interceptor)
            }
            /// Enable decompressing requests with the given encoding.
            #[must_use]
            pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.accept_compression_encodings.enable(encoding);
                self
            }
            /// Compress responses with the given encoding, if the client supports it.
            #[must_use]
            pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
                self.send_compression_encodings.enable(encoding);
                self
            }
            /// Limits the maximum size of a decoded message.
            ///
            /// Default: `4MB`
            #[must_use]
            pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                self.max_decoding_message_size = Some(limit);
                self
            }
            /// Limits the maximum size of an encoded message.
            ///
            /// Default: `usize::MAX`
            #[must_use]
            pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                self.max_encoding_message_size = Some(limit);
                self
            }
        }
        impl<T, B> tonic::codegen::Service<http::Request<B>> for SystemViewServer<T>
        where
            T: SystemView,
            B: Body + std::marker::Send + 'static,
            B::Error: Into<StdError> + std::marker::Send + 'static,
        {
            type Response = http::Response<tonic::body::Body>;
            type Error = std::convert::Infallible;
            type Future = BoxFuture<Self::Response, Self::Error>;
            fn poll_ready(
                &mut self,
                _cx: &mut Context<'_>,
            ) -> Poll<std::result::Result<(), Self::Error>> {
                Poll::Ready(Ok(()))
            }
            fn call(&mut self, req: http::Request<B>) -> Self::Future {
                match req.uri().path() {
                    "/pb.SystemView/DefaultLeaseTTL" => {
                        #[allow(non_camel_case_types)]
                        struct DefaultLeaseTTLSvc<T: SystemView>(pub Arc<T>);
                        impl<T: SystemView> tonic::server::UnaryService<super::Empty>
                        for DefaultLeaseTTLSvc<T> {
                            type Response = super::TtlReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::default_lease_ttl(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = DefaultLeaseTTLSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/MaxLeaseTTL" => {
                        #[allow(non_camel_case_types)]
                        struct MaxLeaseTTLSvc<T: SystemView>(pub Arc<T>);
                        impl<T: SystemView> tonic::server::UnaryService<super::Empty>
                        for MaxLeaseTTLSvc<T> {
                            type Response = super::TtlReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::max_lease_ttl(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = MaxLeaseTTLSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/Tainted" => {
                        #[allow(non_camel_case_types)]
                        struct TaintedSvc<T: SystemView>(pub Arc<T>);
                        impl<T: SystemView> tonic::server::UnaryService<super::Empty>
                        for TaintedSvc<T> {
                            type Response = super::TaintedReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::tainted(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = TaintedSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/CachingDisabled" => {
                        #[allow(non_camel_case_types)]
                        struct CachingDisabledSvc<T: SystemView>(pub Arc<T>);
                        impl<T: SystemView> tonic::server::UnaryService<super::Empty>
                        for CachingDisabledSvc<T> {
                            type Response = super::CachingDisabledReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::caching_disabled(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = CachingDisabledSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/ReplicationState" => {
                        #[allow(non_camel_case_types)]
                        struct ReplicationStateSvc<T: SystemView>(pub Arc<T>);
                        impl<T: SystemView> tonic::server::UnaryService<super::Empty>
                        for ReplicationStateSvc<T> {
                            type Response = super::ReplicationStateReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::replication_state(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = ReplicationStateSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/MlockEnabled" => {
                        #[allow(non_camel_case_types)]
                        struct MlockEnabledSvc<T: SystemView>(pub Arc<T>);
                        impl<T: SystemView> tonic::server::UnaryService<super::Empty>
                        for MlockEnabledSvc<T> {
                            type Response = super::MlockEnabledReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::mlock_enabled(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = MlockEnabledSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/LocalMount" => {
                        #[allow(non_camel_case_types)]
                        struct LocalMountSvc<T: SystemView>(pub Arc<T>);
                        impl<T: SystemView> tonic::server::UnaryService<super::Empty>
                        for LocalMountSvc<T> {
                            type Response = super::LocalMountReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::local_mount(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = LocalMountSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/EntityInfo" => {
                        #[allow(non_camel_case_types)]
                        struct EntityInfoSvc<T: SystemView>(pub Arc<T>);
                        impl<
                            T: SystemView,
                        > tonic::server::UnaryService<super::EntityInfoArgs>
                        for EntityInfoSvc<T> {
                            type Response = super::EntityInfoReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::EntityInfoArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::entity_info(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = EntityInfoSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/PluginEnv" => {
                        #[allow(non_camel_case_types)]
                        struct PluginEnvSvc<T: SystemView>(pub Arc<T>);
                        impl<T: SystemView> tonic::server::UnaryService<super::Empty>
                        for PluginEnvSvc<T> {
                            type Response = super::PluginEnvReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::plugin_env(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = PluginEnvSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/GroupsForEntity" => {
                        #[allow(non_camel_case_types)]
                        struct GroupsForEntitySvc<T: SystemView>(pub Arc<T>);
                        impl<
                            T: SystemView,
                        > tonic::server::UnaryService<super::EntityInfoArgs>
                        for GroupsForEntitySvc<T> {
                            type Response = super::GroupsForEntityReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::EntityInfoArgs>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::groups_for_entity(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = GroupsForEntitySvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/GeneratePasswordFromPolicy" => {
                        #[allow(non_camel_case_types)]
                        struct GeneratePasswordFromPolicySvc<T: SystemView>(pub Arc<T>);
                        impl<
                            T: SystemView,
                        > tonic::server::UnaryService<
                            super::GeneratePasswordFromPolicyRequest,
                        > for GeneratePasswordFromPolicySvc<T> {
                            type Response = super::GeneratePasswordFromPolicyReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<
                                    super::GeneratePasswordFromPolicyRequest,
                                >,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::generate_password_from_policy(
                                            &inner,
                                            request,
                                        )
                                        .await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = GeneratePasswordFromPolicySvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    "/pb.SystemView/ClusterInfo" => {
                        #[allow(non_camel_case_types)]
                        struct ClusterInfoSvc<T: SystemView>(pub Arc<T>);
                        impl<T: SystemView> tonic::server::UnaryService<super::Empty>
                        for ClusterInfoSvc<T> {
                            type Response = super::ClusterInfoReply;
                            type Future = BoxFuture<
                                tonic::Response<Self::Response>,
                                tonic::Status,
                            >;
                            fn call(
                                &mut self,
                                request: tonic::Request<super::Empty>,
                            ) -> Self::Future {
                                let inner = Arc::clone(&self.0);
                                let fut = async move {
                                    <T as SystemView>::cluster_info(&inner, request).await
                                };
                                Box::pin(fut)
                            }
                        }
                        let accept_compression_encodings = self
                            .accept_compression_encodings;
                        let send_compression_encodings = self.send_compression_encodings;
                        let max_decoding_message_size = self.max_decoding_message_size;
                        let max_encoding_message_size = self.max_encoding_message_size;
                        let inner = self.inner.clone();
                        let fut = async move {
                            let method = ClusterInfoSvc(inner);
                            let codec = tonic_prost::ProstCodec::default();
                            let mut grpc = tonic::server::Grpc::new(codec)
                                .apply_compression_config(
                                    accept_compression_encodings,
                                    send_compression_encodings,
                                )
                                .apply_max_message_size_config(
                                    max_decoding_message_size,
                                    max_encoding_message_size,
                                );
                            let res = grpc.unary(method, req).await;
                            Ok(res)
                        };
                        Box::pin(fut)
                    }
                    _ => {
                        Box::pin(async move {
                            let mut response = http::Response::new(
                                tonic::body::Body::default(),
                            );
                            let headers = response.headers_mut();
                            headers
                                .insert(
                                    tonic::Status::GRPC_STATUS,
                                    (tonic::Code::Unimplemented as i32).into(),
                                );
                            headers
                                .insert(
                                    http::header::CONTENT_TYPE,
                                    tonic::metadata::GRPC_CONTENT_TYPE,
                                );
                            Ok(response)
                        })
                    }
                }
            }
        }
        impl<T> Clone for SystemViewServer<T> {
            fn clone(&self) -> Self {
                let inner = self.inner.clone();
                Self {
                    inner,
                    accept_compression_encodings: self.accept_compression_encodings,
                    send_compression_encodings: self.send_compression_encodings,
                    max_decoding_message_size: self.max_decoding_message_size,
                    max_encoding_message_size: self.max_encoding_message_size,
                }
            }
        }
        /// Generated gRPC service name
        pub const SERVICE_NAME: &str = "pb.SystemView";
        impl<T> tonic::server::NamedService for SystemViewServer<T> {
            const NAME: &'static str = SERVICE_NAME;
        }
    }
}
pub mod pluginutil {
    pub mod multiplexing {
        #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
        pub struct MultiplexingSupportRequest {}
        #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
        pub struct MultiplexingSupportResponse {
            #[prost(bool, tag = "1")]
            pub supported: bool,
        }
        /// Generated client implementations.
        pub mod plugin_multiplexing_client {
            #![allow(
                unused_variables,
                dead_code,
                missing_docs,
                clippy::wildcard_imports,
                clippy::let_unit_value,
            )]
            use tonic::codegen::*;
            use tonic::codegen::http::Uri;
            #[derive(Debug, Clone)]
            pub struct PluginMultiplexingClient<T> {
                inner: tonic::client::Grpc<T>,
            }
            impl<T> PluginMultiplexingClient<T>
            where
                T: tonic::client::GrpcService<tonic::body::Body>,
                T::Error: Into<StdError>,
                T::ResponseBody: Body<Data = Bytes> + std::marker::Send + 'static,
                <T::ResponseBody as Body>::Error: Into<StdError> + std::marker::Send,
            {
                pub fn new(inner: T) -> Self {
                    let inner = tonic::client::Grpc::new(inner);
                    Self { inner }
                }
                pub fn with_origin(inner: T, origin: Uri) -> Self {
                    let inner = tonic::client::Grpc::with_origin(inner, origin);
                    Self { inner }
                }
                pub fn with_interceptor<F>(
                    inner: T,
                    interceptor: F,
                ) -> PluginMultiplexingClient<InterceptedService<T, F>>
                where
                    F: tonic::service::Interceptor,
                    T::ResponseBody: Default,
                    T: tonic::codegen::Service<
                        http::Request<tonic::body::Body>,
                        Response = http::Response<
                            <T as tonic::client::GrpcService<
                                tonic::body::Body,
                            >>::ResponseBody,
                        >,
                    >,
                    <T as tonic::codegen::Service<
                        http::Request<tonic::body::Body>,
                    >>::Error: Into<StdError> + std::marker::Send + std::marker::Sync,
                {
                    PluginMultiplexingClient::new(
                        InterceptedService::new(inner, interceptor),
                    )
                }
                /// Compress requests with the given encoding.
                ///
                /// This requires the server to support it otherwise it might respond with an
                /// error.
                #[must_use]
                pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
                    self.inner = self.inner.send_compressed(encoding);
                    self
                }
                /// Enable decompressing responses.
                #[must_use]
                pub fn accept_compressed(
                    mut self,
                    encoding: CompressionEncoding,
                ) -> Self {
                    self.inner = self.inner.accept_compressed(encoding);
                    self
                }
                /// Limits the maximum size of a decoded message.
                ///
                /// Default: `4MB`
                #[must_use]
                pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                    self.inner = self.inner.max_decoding_message_size(limit);
                    self
                }
                /// Limits the maximum size of an encoded message.
                ///
                /// Default: `usize::MAX`
                #[must_use]
                pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                    self.inner = self.inner.max_encoding_message_size(limit);
                    self
                }
                pub async fn multiplexing_support(
                    &mut self,
                    request: impl tonic::IntoRequest<super::MultiplexingSupportRequest>,
                ) -> std::result::Result<
                    tonic::Response<super::MultiplexingSupportResponse>,
                    tonic::Status,
                > {
                    self.inner
                        .ready()
                        .await
                        .map_err(|e| {
                            tonic::Status::unknown(
                                format!("Service was not ready: {}", e.into()),
                            )
                        })?;
                    let codec = tonic_prost::ProstCodec::default();
                    let path = http::uri::PathAndQuery::from_static(
                        "/pluginutil.multiplexing.PluginMultiplexing/MultiplexingSupport",
                    );
                    let mut req = request.into_request();
                    req.extensions_mut()
                        .insert(
                            GrpcMethod::new(
                                "pluginutil.multiplexing.PluginMultiplexing",
                                "MultiplexingSupport",
                            ),
                        );
                    self.inner.unary(req, path, codec).await
                }
            }
        }
        /// Generated server implementations.
        pub mod plugin_multiplexing_server {
            #![allow(
                unused_variables,
                dead_code,
                missing_docs,
                clippy::wildcard_imports,
                clippy::let_unit_value,
            )]
            use tonic::codegen::*;
            /// Generated trait containing gRPC methods that should be implemented for use with PluginMultiplexingServer.
            #[async_trait]
            pub trait PluginMultiplexing: std::marker::Send + std::marker::Sync + 'static {
                async fn multiplexing_support(
                    &self,
                    request: tonic::Request<super::MultiplexingSupportRequest>,
                ) -> std::result::Result<
                    tonic::Response<super::MultiplexingSupportResponse>,
                    tonic::Status,
                >;
            }
            #[derive(Debug)]
            pub struct PluginMultiplexingServer<T> {
                inner: Arc<T>,
                accept_compression_encodings: EnabledCompressionEncodings,
                send_compression_encodings: EnabledCompressionEncodings,
                max_decoding_message_size: Option<usize>,
                max_encoding_message_size: Option<usize>,
            }
            impl<T> PluginMultiplexingServer<T> {
                pub fn new(inner: T) -> Self {
                    Self::from_arc(Arc::new(inner))
                }
                pub fn from_arc(inner: Arc<T>) -> Self {
                    Self {
                        inner,
                        accept_compression_encodings: Default::default(),
                        send_compression_encodings: Default::default(),
                        max_decoding_message_size: None,
                        max_encoding_message_size: None,
                    }
                }
                pub fn with_interceptor<F>(
                    inner: T,
                    interceptor: F,
                ) -> InterceptedService<Self, F>
                where
                    F: tonic::service::Interceptor,
                {
                    InterceptedService::new(Self::new(inner), interceptor)
                }
                /// Enable decompressing requests with the given encoding.
                #[must_use]
                pub fn accept_compressed(
                    mut self,
                    encoding: CompressionEncoding,
                ) -> Self {
                    self.accept_compression_encodings.enable(encoding);
                    self
                }
                /// Compress responses with the given encoding, if the client supports it.
                #[must_use]
                pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
                    self.send_compression_encodings.enable(encoding);
                    self
                }
                /// Limits the maximum size of a decoded message.
                ///
                /// Default: `4MB`
                #[must_use]
                pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                    self.max_decoding_message_size = Some(limit);
                    self
                }
                /// Limits the maximum size of an encoded message.
                ///
                /// Default: `usize::MAX`
                #[must_use]
                pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                    self.max_encoding_message_size = Some(limit);
                    self
                }
            }
            impl<T, B> tonic::codegen::Service<http::Request<B>>
            for PluginMultiplexingServer<T>
            where
                T: PluginMultiplexing,
                B: Body + std::marker::Send + 'static,
                B::Error: Into<StdError> + std::marker::Send + 'static,
            {
                type Response = http::Response<tonic::body::Body>;
                type Error = std::convert::Infallible;
                type Future = BoxFuture<Self::Response, Self::Error>;
                fn poll_ready(
                    &mut self,
                    _cx: &mut Context<'_>,
                ) -> Poll<std::result::Result<(), Self::Error>> {
                    Poll::Ready(Ok(()))
                }
                fn call(&mut self, req: http::Request<B>) -> Self::Future {
                    match req.uri().path() {
                        "/pluginutil.multiplexing.PluginMultiplexing/MultiplexingSupport" => {
                            #[allow(non_camel_case_types)]
                            struct MultiplexingSupportSvc<T: PluginMultiplexing>(
                                pub Arc<T>,
                            );
                            impl<
                                T: PluginMultiplexing,
                            > tonic::server::UnaryService<
                                super::MultiplexingSupportRequest,
                            > for MultiplexingSupportSvc<T> {
                                type Response = super::MultiplexingSupportResponse;
                                type Future = BoxFuture<
                                    tonic::Response<Self::Response>,
                                    tonic::Status,
                                >;
                                fn call(
                                    &mut self,
                                    request: tonic::Request<super::MultiplexingSupportRequest>,
                                ) -> Self::Future {
                                    let inner = Arc::clone(&self.0);
                                    let fut = async move {
                                        <T as PluginMultiplexing>::multiplexing_support(
                                                &inner,
                                                request,
                                            )
                                            .await
                                    };
                                    Box::pin(fut)
                                }
                            }
                            let accept_compression_encodings = self
                                .accept_compression_encodings;
                            let send_compression_encodings = self
                                .send_compression_encodings;
                            let max_decoding_message_size = self
                                .max_decoding_message_size;
                            let max_encoding_message_size = self
                                .max_encoding_message_size;
                            let inner = self.inner.clone();
                            let fut = async move {
                                let method = MultiplexingSupportSvc(inner);
                                let codec = tonic_prost::ProstCodec::default();
                                let mut grpc = tonic::server::Grpc::new(codec)
                                    .apply_compression_config(
                                        accept_compression_encodings,
                                        send_compression_encodings,
                                    )
                                    .apply_max_message_size_config(
                                        max_decoding_message_size,
                                        max_encoding_message_size,
                                    );
                                let res = grpc.unary(method, req).await;
                                Ok(res)
                            };
                            Box::pin(fut)
                        }
                        _ => {
                            Box::pin(async move {
                                let mut response = http::Response::new(
                                    tonic::body::Body::default(),
                                );
                                let headers = response.headers_mut();
                                headers
                                    .insert(
                                        tonic::Status::GRPC_STATUS,
                                        (tonic::Code::Unimplemented as i32).into(),
                                    );
                                headers
                                    .insert(
                                        http::header::CONTENT_TYPE,
                                        tonic::metadata::GRPC_CONTENT_TYPE,
                                    );
                                Ok(response)
                            })
                        }
                    }
                }
            }
            impl<T> Clone for PluginMultiplexingServer<T> {
                fn clone(&self) -> Self {
                    let inner = self.inner.clone();
                    Self {
                        inner,
                        accept_compression_encodings: self.accept_compression_encodings,
                        send_compression_encodings: self.send_compression_encodings,
                        max_decoding_message_size: self.max_decoding_message_size,
                        max_encoding_message_size: self.max_encoding_message_size,
                    }
                }
            }
            /// Generated gRPC service name
            pub const SERVICE_NAME: &str = "pluginutil.multiplexing.PluginMultiplexing";
            impl<T> tonic::server::NamedService for PluginMultiplexingServer<T> {
                const NAME: &'static str = SERVICE_NAME;
            }
        }
    }
}
