# The first process of a node. $1: the directory that stands for its disk. $2: its name.
set -e
hostname "$2"
for mounted in containerd:/var/lib/containerd kubelet:/var/lib/kubelet gingham:/var/lib/gingham cni:/var/lib/cni \
    net.d:/etc/cni/net.d plugins:/opt/cni/bin log:/var/log machine-id:/etc/machine-id \
    boot_id:/proc/sys/kernel/random/boot_id; do
    mount --bind "$1/${mounted%%:*}" "${mounted#*:}"
done
# What the kubelet wants of the kernel is there, so that it does not change the machine's.
mkdir -p "$1/sysctl"
for sysctl in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    name=${sysctl%=*}
    echo "${sysctl#*=}" > "$1/sysctl/${name##*/}"
    mount --bind "$1/sysctl/${name##*/}" "/proc/sys/$name"
done
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/tmp /run/lock /run/netns
# The mounts of pods are made in /var/lib/kubelet and seen by containerd's.
mount --make-rshared /
busybox ip link set lo up
# Nothing answers there; the kubelet would wait for a cloud's credentials.
busybox ip route add unreachable 169.254.169.254
: > "$1/booted"
# The child that never ends lets `wait` reap, for ever, what daemons leave behind.
sleep infinity &
while :; do wait; done
