//! No sin at all: what the others are compared with.

use hostile_guests::Sinner;

struct Honest;

impl Sinner for Honest {}

hostile_guests::policy!(Honest);
