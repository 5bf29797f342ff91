//! What happened, as the journal's catalog knows it: the `MESSAGE_ID` of each kind of event, `systemd.journal-fields(7)`.
//! `systemd/nanoclaw.catalog` says of each what to do.

/// A run of an agent began.
pub const RUN_BEGAN: &str = "b43401bcef9946d2914a2974129c1874";
/// A run of an agent ended.
pub const RUN_ENDED: &str = "52e0eec9536744caaf1e5e8b426119dc";
/// A run of an agent failed.
pub const RUN_FAILED: &str = "ae019c3dccdf44f5ab93800fa9049df8";
/// A run of an agent was lost.
pub const RUN_LOST: &str = "afe1efed1e78472888f89a718fb4bec9";
/// A run was refused.
pub const RUN_REFUSED: &str = "fb635bee62c146fcb1c7cb8e21d38404";
/// An agent showed no sign of work.
pub const RUN_HUNG: &str = "fd56459a794e4f90a76886631487c3d1";
/// A run went to its limit of memory or processes.
pub const RUN_LIMITED: &str = "407eb1f1d1134dac96706d3f6ca7e86d";
/// A request of an agent was refused.
pub const REQUEST_REFUSED: &str = "14b8658a33fa4c918e6dd59d61731a31";
/// A session was set aside.
pub const SESSION_SET_ASIDE: &str = "c7defc7cfd2240cc98dde934a1c5e057";
/// Messages were given up.
pub const MESSAGE_FAILED: &str = "11efdb98477745c08abe1c49443c70a4";
/// A new configuration was refused.
pub const CONFIGURATION_REFUSED: &str = "6e06f43adef14a04baa9b8fde1be6d1e";
/// The owners or a chat are told something.
pub const NOTICE: &str = "cf2f25a2318c4eb48b2749c7d1697e3d";
/// A message was answered.
pub const MESSAGE_ANSWERED: &str = "ad1a65f4f6df4b7da745ab5dffba41fd";
/// A message was taken without an answer.
pub const MESSAGE_UNANSWERED: &str = "5bd06caa86b34aeca69a5c97d7e17e21";
/// Something to be sent was given up.
pub const DELIVERY_DEAD: &str = "84a2d935d2364193966fd701f99f7ab9";
/// Nobody knows whether something arrived.
pub const DELIVERY_UNKNOWN: &str = "4194e938aad04cda8703e9ff15a0c85d";
/// A channel was logged out, and stays so until somebody logs it in again.
pub const CHANNEL_LOGGED_OUT: &str = "d351a4190a944799b5b71984a66404e8";
