package cluster_test

import (
	"fmt"
	"time"

	"github.com/risim/risim/sim/cluster"
)

// A failover leaves two records; collating shows only the newest (rules V2, R1 and R2).
func Example() {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	store, err := cluster.New(noon, cluster.Config{
		Nodes: []cluster.Node{{Name: "cucm-pub", Publisher: true}, {Name: "cucm-sub1"}},
		Devices: []cluster.Device{{
			Name: "SEP000102030405", Class: cluster.Phone, Lines: []string{"1001"},
			Homes: []cluster.NodeName{"cucm-sub1", "cucm-pub"},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = store.Apply(noon.Add(time.Minute),
		cluster.Register{Device: "SEP000102030405"},
		cluster.Failover{Device: "SEP000102030405"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, newest := range []bool{false, true} {
		res := store.Snapshot().Select(cluster.DeviceQuery{Items: []string{"SEP*"}, Newest: newest})
		fmt.Println("newest only:", newest)
		for _, node := range res.Nodes {
			for _, d := range node.Devices {
				fmt.Println(" ", node.Node, d.Name(), d.Record().Status, d.Record().Reason)
			}
		}
	}
	// Output:
	// newest only: false
	//   cucm-pub SEP000102030405 Registered 0
	//   cucm-sub1 SEP000102030405 UnRegistered KeepAliveTimeout
	// newest only: true
	//   cucm-pub SEP000102030405 Registered 0
}
