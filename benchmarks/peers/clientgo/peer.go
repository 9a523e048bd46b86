package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/client-go/tools/cache"
)

const (
	collectionsMin = 5
	collectionsMax = 50
	collectingTime = time.Second
)

// peer is one measured process: it is told what to do line by line, and answers each line with JSON; see
// benchmarks/peers/driver.py, which is the same for Python.
type peer struct {
	objects int
	start   start
	store   cache.Store

	// Written by the informer's one thread of handlers; done says that the rest may be read.
	adds    int
	updates int
	begun   time.Time
	ended   time.Time
	cpu     time.Duration
	done    chan struct{}
	read    atomic.Pointer[func(obj any) int]
}

func newPeer(objects int, start start) *peer {
	p := &peer{objects: objects, start: start, done: make(chan struct{}, 1)}
	p.reads(readKey)
	return p
}

func (p *peer) reads(read func(obj any) int) { p.read.Store(&read) }

func (p *peer) serve(in io.Reader, out io.Writer) error {
	answers := json.NewEncoder(out)
	if err := answers.Encode(map[string]any{"did": "start"}); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		answer, err := p.do(lines.Text(), answers)
		if err != nil {
			return err
		}
		answer["did"] = lines.Text()
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (p *peer) do(line string, answers *json.Encoder) (map[string]any, error) {
	verb, argument, _ := strings.Cut(line, " ")
	switch verb {
	case "sync":
		return p.sync()
	case "burst":
		return p.burst(argument, answers)
	case "collect":
		return collect(), nil
	case "cpu":
		return map[string]any{"cpu_s": cpuTime().Seconds()}, nil
	}
	return nil, fmt.Errorf("no such command: %s", line)
}

func (p *peer) sync() (map[string]any, error) {
	cpu, begun := cpuTime(), time.Now()
	store, err := p.start(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(any, bool) { p.added() },
		UpdateFunc: func(_, obj any) { p.updated(obj) },
	})
	if err != nil {
		return nil, err
	}
	p.store = store
	<-p.done
	return map[string]any{
		"seconds": p.ended.Sub(begun).Seconds(),
		"cpu_s":   (p.cpu - cpu).Seconds(),
		"cached":  len(store.ListKeys()),
		"adds":    p.adds,
	}, nil
}

// burst tells that it is ready, and then waits for the object that is added behind the last event.
func (p *peer) burst(what string, answers *json.Encoder) (map[string]any, error) {
	p.reads(readKey)
	if what == "object" {
		p.reads(readObject)
	}
	p.updates = 0
	cpu := cpuTime()
	if err := answers.Encode(map[string]any{"did": "arm"}); err != nil {
		return nil, err
	}
	<-p.done
	return map[string]any{
		"seconds": p.ended.Sub(p.begun).Seconds(),
		"cpu_s":   (p.cpu - cpu).Seconds(),
		"updates": p.updates,
	}, nil
}

func (p *peer) added() {
	p.adds++
	if p.adds >= p.objects {
		p.ended, p.cpu = time.Now(), cpuTime()
		p.done <- struct{}{}
	}
}

func (p *peer) updated(obj any) {
	if p.updates == 0 {
		p.begun = time.Now()
	}
	p.updates++
	(*p.read.Load())(obj)
}

// collect times full collections, and gives what they freed back to the system.
func collect() map[string]any {
	millis := make([]float64, 0, collectionsMax)
	cpuMillis := make([]float64, 0, collectionsMax)
	end := time.Now().Add(collectingTime)
	for len(millis) < collectionsMin || (len(millis) < collectionsMax && time.Now().Before(end)) {
		begun, cpu := time.Now(), cpuTime()
		runtime.GC()
		millis = append(millis, float64(time.Since(begun).Microseconds())/1000)
		cpuMillis = append(cpuMillis, float64((cpuTime()-cpu).Microseconds())/1000)
	}
	debug.FreeOSMemory()
	return map[string]any{"collect_ms": millis, "collect_cpu_ms": cpuMillis}
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
