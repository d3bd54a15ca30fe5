//! `ctr run --cni`.

use std::process::{Child, Stdio};

use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::node::Container;

use crate::containerd::{Containerd, ctr};
use crate::program::{bounded, until};
use crate::{connections, host, image};

/// A container in the foreground of a `ctr` of its own.
struct Task {
    id: String,
    process: Child,
}

impl Task {
    fn start(id: &str) -> Self {
        let mut command = bounded("ctr");
        command.args(["--namespace", &host::cgroup(), "run", "--rm", "--cni", "--snapshotter=native", image::NAME, id]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Self { id: id.to_owned(), process }
    }

    /// The container, once it runs: `ctr` sets up the network before it starts the program.
    fn running(&self) -> Container {
        until(&format!("{} runs", self.id), || {
            let listed = ctr(&host::cgroup(), &["task", "list"]).done();
            let rows = listed.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
            let row = rows.into_iter().find(|row| row[0] == self.id && row[2] == "RUNNING")?;
            Some(connections::of_process(&self.id, row[1].parse().unwrap()))
        })
    }

    /// Kills the container; its `ctr` takes the network away and ends.
    fn end(mut self) {
        ctr(&host::cgroup(), &["task", "kill", "--signal=SIGKILL", &self.id]).done();
        let _ = self.process.wait().unwrap();
    }
}

#[test]
fn tasks_of_ctr_reach_each_other_and_leave_nothing() {
    if !host::has_containerd() {
        return;
    }
    let _node = host::host();
    host::configure(&[host::bridge("gingham"), host::portmap()]);
    let _containerd = Containerd::start();
    let tasks = ["one", "two"].map(Task::start);
    let [one, two] = [tasks[0].running(), tasks[1].running()];
    let address = |container: &Container| {
        let nets = container.inside(|| kernel::addresses("eth0"));
        assert_eq!(nets.len(), 1, "{nets:?}");
        nets[0].strip_suffix("/24").unwrap().to_owned()
    };
    let (of_one, of_two) = (address(&one), address(&two));
    let mut addresses = [of_one.clone(), of_two.clone()];
    addresses.sort();
    assert_eq!(addresses, ["10.7.0.2", "10.7.0.3"]);
    assert_eq!(kernel::seen_by(&two, of_two.parse().unwrap(), &one).to_string(), of_one);
    kernel::reaches(&one, "10.7.0.1".parse().unwrap());
    let leases = kernel::leases("mynet");
    assert_eq!(leases.len(), 2, "{leases:?}");
    assert!(leases.iter().all(|lease| lease.starts_with(&host::cgroup())), "ctr's own id: {leases:?}");
    for task in tasks {
        task.end();
    }
    assert_eq!(kernel::traces("mynet", "cni0"), ["masquerade 10.7.0.0/24"; 0]);
}

/// `ctr run --detach` never takes a network away. When the container has died, its lease is one of the dead.
#[test]
fn leases_of_tasks_that_ctr_forgot_are_collected() {
    if !host::has_containerd() {
        return;
    }
    let _node = host::host();
    host::configure(&[host::bridge("gingham")]);
    let _containerd = Containerd::start();
    let namespace = host::cgroup();
    ctr(&namespace, &["run", "--detach", "--cni", "--snapshotter=native", image::NAME, "forgotten"]).done();
    assert_eq!(kernel::leases("mynet"), [format!("{namespace}-forgotten eth0 10.7.0.2")]);
    ctl(&["gc"]).done();
    assert_eq!(kernel::leases("mynet").len(), 1, "the container lives");
    ctr(&namespace, &["task", "remove", "--force", "forgotten"]).done();
    ctr(&namespace, &["container", "remove", "forgotten"]).done();
    ctl(&["gc"]).done();
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}
