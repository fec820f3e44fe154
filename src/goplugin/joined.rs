//! Small frames of HTTP/2 leave together.
//!
//! h2 hands a stream that takes several slices at once the head of a message and its content as two,
//! and TLS makes a record and a system call of each. A stream that takes one slice at a time is given
//! what is small as one: half the calls for a message, and one record to encrypt.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that says of itself that it takes one slice at a time: the vectored methods are those
/// that the trait gives.
#[derive(Debug)]
pub(super) struct Joined<S>(pub(super) S);

impl<S: AsyncRead + Unpin> AsyncRead for Joined<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Joined<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use tokio::io::DuplexStream;
    use tokio::task::JoinSet;

    use super::*;

    /// Takes several slices at once, and counts the calls.
    struct Counting(DuplexStream, Arc<AtomicUsize>);

    impl AsyncRead for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Counting {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.0).poll_write(context, data)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            slices: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.1.fetch_add(slices.len(), Ordering::Relaxed);
            Pin::new(&mut self.0).poll_write_vectored(context, slices)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn a_request_with_its_content_is_one_write() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut host = h2::server::handshake(far).await.unwrap();
            while let Some(asked) = host.accept().await {
                let (_, mut answer) = asked.unwrap();
                answer.send_response(http::Response::new(()), true).unwrap();
            }
        });
        let writes = Arc::<AtomicUsize>::default();
        let stream = Joined(Counting(near, Arc::clone(&writes)));
        let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
        tasks.spawn(async move { connection.await.unwrap() });
        for is_first in [true, false] {
            settled().await;
            let before = writes.load(Ordering::Relaxed);
            let request = http::Request::post("http://localhost/").body(()).unwrap();
            let (answer, mut content) = requests.send_request(request, false).unwrap();
            content.send_data(Bytes::from(vec![1; 400]), false).unwrap();
            content.send_data(Bytes::new(), true).unwrap();
            settled().await;
            // The first goes beside the settings of the connection.
            let made = writes.load(Ordering::Relaxed) - before;
            assert!(made == 1 || is_first, "{made}");
            answer.await.unwrap();
        }
    }

    /// Lets the other tasks do all that they can.
    async fn settled() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}
