//! An answer on its way from the API to the client.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::shared::{Open, Shared};
use super::trouble::Trouble;

/// A body that is passed on piece by piece, for as long as there is a sign of life.
pub(super) struct Relay {
    body: reqwest::Body,
    shared: Arc<Shared>,
    silence: Pin<Box<Sleep>>,
    last_sign: Instant,
    /// The request is open as long as its answer.
    _open: Open,
}

/// An answer that does not go on. The client sees its connection break.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub(super) struct Broken;

impl Relay {
    pub(super) fn new(body: reqwest::Body, shared: Arc<Shared>, open: Open) -> Self {
        let now = Instant::now();
        let silence = Box::pin(sleep_until(now + shared.silence));
        Self { body, shared, silence, last_sign: now, _open: open }
    }

    fn broken(&self, trouble: Trouble) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.shared.failed(self.last_sign, trouble);
        Poll::Ready(Some(Err(Broken)))
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => {
                ready!(self.silence.as_mut().poll(context));
                self.broken(Trouble::Silent(self.shared.silence))
            }
            Poll::Ready(None) => {
                self.shared.succeeded();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => self.broken(Trouble::Cut),
            Poll::Ready(Some(Ok(frame))) => {
                self.last_sign = Instant::now();
                let until = self.last_sign + self.shared.silence;
                self.silence.as_mut().reset(until);
                self.shared.sign_of_life(self.last_sign);
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
