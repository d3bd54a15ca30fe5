//! Divides a range and does nothing wrong: what the others of its kind are compared with.

use hostile_guests::Sinner;

struct DividesHonestly;

impl Sinner for DividesHonestly {}

hostile_guests::policy!(DividesHonestly with blocks);
