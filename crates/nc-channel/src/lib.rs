//! What being a channel means.
//!
//! A channel program brings what people write into the store and what agents answer to the people. What is the same for
//! all of them is here; what a platform is like, each says by a [`Platform`]:
//!
//! - **inbound**: [`Channel::receive`] commits messages, and only then the program acknowledges them to the platform;
//!   the router is rung. The same event twice is stored once.
//! - **outbound**: [`Channel::pass`] sends what is due. Of each chat only the first part that is not ended is ever in
//!   hand, so order is kept. `sending` is committed before the platform is called, and how it ended right after.
//! - **after a crash**: [`Channel::recover`] gives back what was leased and asks the platform what became of what was
//!   being sent. What it cannot say is `unknown`, and is never sent again by itself.
//! - **capabilities**: what a platform cannot do is said in plain text ([`plan`]), and long texts are cut ([`cut`]).

mod cut;
mod outbound;
mod plan;
mod platform;
mod way;

pub use cut::cut;
pub use outbound::{Channel, ChannelError, Pass};
pub use plan::{Action, ContentError, plan};
pub use platform::{Capabilities, Outcome, Part, Platform, Resolution};
