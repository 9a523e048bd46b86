// A candidate as client-go has it: contends for a lock until SIGTERM, and says on standard output what it does and when,
// by the clock that goes on while the machine is suspended.
package main

import (
	"context"
	"flag"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

func say(what, whom string) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(err)
	}
	fmt.Printf("%d.%09d %s %s\n", now.Sec, now.Nsec, what, whom)
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "the cluster")
	kind := flag.String("kind", "leases", "what the lock is made of")
	namespace := flag.String("namespace", "default", "where the lock is")
	name := flag.String("name", "", "what it is called")
	identity := flag.String("identity", "go", "who contends")
	release := flag.Bool("release", true, "give the lock back on SIGTERM")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		panic(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	lock, err := resourcelock.New(*kind, *namespace, *name, client.CoreV1(), client.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: *identity})
	if err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock:            lock,
		LeaseDuration:   3 * time.Second,
		RenewDeadline:   2 * time.Second,
		RetryPeriod:     500 * time.Millisecond,
		ReleaseOnCancel: *release,
		Name:            *name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { say("started", *identity) },
			OnStoppedLeading: func() { say("stopped", *identity) },
			OnNewLeader:      func(leader string) { say("leader", leader) },
		},
	})
}
