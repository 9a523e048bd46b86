// Writes how a release of client-go puts election records on the wire, and checks that it reads that back.
//
// For each release (0.23.17, 0.27.16, 0.37.2), in an empty folder with this file:
//
//	go mod init golden && go get k8s.io/client-go@v0.23.17 && go mod tidy
//	go run . > client-go-0.23.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rl "k8s.io/client-go/tools/leaderelection/resourcelock"
)

type golden struct {
	Name       string
	Annotation string
	LeaseSpec  string
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// set gives a field a value, if this release has it.
func set(record *rl.LeaderElectionRecord, field, value string) {
	if f := reflect.ValueOf(record).Elem().FieldByName(field); f.IsValid() {
		f.SetString(value)
	}
}

func main() {
	at := time.Date(2026, 7, 24, 9, 8, 7, 123456000, time.FixedZone("", 2*3600))
	whole := time.Date(2026, 7, 24, 9, 8, 9, 0, time.UTC)
	plain := rl.LeaderElectionRecord{HolderIdentity: "web-0_8f2c", LeaseDurationSeconds: 15,
		AcquireTime: metav1.NewTime(at), RenewTime: metav1.NewTime(whole), LeaderTransitions: 3}
	odd := plain
	odd.HolderIdentity = "<a&b> \u2028 \"é\" \\ 名"
	coordinated := plain
	set(&coordinated, "Strategy", "OldestEmulationVersion")
	set(&coordinated, "PreferredHolder", "web-1_77aa")
	released := rl.LeaderElectionRecord{LeaseDurationSeconds: 1, AcquireTime: metav1.NewTime(whole),
		RenewTime: metav1.NewTime(whole), LeaderTransitions: 4}
	cases := []struct {
		name   string
		record rl.LeaderElectionRecord
	}{{"plain", plain}, {"odd", odd}, {"coordinated", coordinated}, {"released", released}, {"zero", rl.LeaderElectionRecord{}}}
	var out []golden
	for _, c := range cases {
		annotation, err := json.Marshal(c.record)
		must(err)
		spec := rl.LeaderElectionRecordToLeaseSpec(&c.record)
		lease, err := json.Marshal(spec)
		must(err)
		var back rl.LeaderElectionRecord
		must(json.Unmarshal(annotation, &back))
		if back.HolderIdentity != c.record.HolderIdentity || back.RenewTime.Unix() != c.record.RenewTime.Unix() {
			panic(fmt.Sprint("read back otherwise: ", back))
		}
		var backSpec coordinationv1.LeaseSpec
		must(json.Unmarshal(lease, &backSpec))
		out = append(out, golden{c.name, string(annotation), string(lease)})
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	must(encoder.Encode(out))
}
