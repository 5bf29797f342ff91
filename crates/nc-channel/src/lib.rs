//! What being a channel means: record inbound, lease and send outbound.
