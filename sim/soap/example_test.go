package soap_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/risim/risim/sim/cluster"
	"github.com/risim/risim/sim/soap"
	"github.com/risim/risim/wsdl"
)

// A service of its own, without a network: one node, one phone, one question about it.
func ExampleService_Handler() {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	store, err := cluster.New(now, cluster.Config{
		Nodes:   []cluster.Node{{Name: "cucm-pub", Publisher: true}},
		Devices: []cluster.Device{{Name: "SEP0C0000000001", Class: cluster.Phone, Model: 36224}},
		Registrations: []cluster.Registration{{Device: "SEP0C0000000001", Node: "cucm-pub",
			Record: cluster.Record{Status: cluster.Registered, TimeStamp: now.Unix()}}},
	})
	if err != nil {
		panic(err)
	}
	service, err := soap.New(soap.Config{
		Store: store,
		Users: []soap.User{{Name: "administrator", Password: "risim"}},
		WSDL:  wsdl.WithAddress,
		Now:   func() time.Time { return now },
		Observe: func(x *soap.Exchange) {
			fmt.Println(x.Operation, "by", x.User+":", x.Returned, "returned,", x.Advice[0].ID)
		},
	})
	if err != nil {
		panic(err)
	}
	request := httptest.NewRequest(http.MethodPost, soap.Path, strings.NewReader(
		`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="http://schemas.cisco.com/ast/soap"><e:Body><a:selectCmDevice>
			<a:CmSelectionCriteria><a:SelectBy>Name</a:SelectBy><a:SelectItems><a:item><a:Item>SEP*</a:Item></a:item></a:SelectItems></a:CmSelectionCriteria>
		</a:selectCmDevice></e:Body></e:Envelope>`))
	request.SetBasicAuth("administrator", "risim")
	answer := httptest.NewRecorder()
	service.Handler("").ServeHTTP(answer, request)
	fmt.Println(answer.Code, strings.Contains(answer.Body.String(), "<ns1:Name>SEP0C0000000001</ns1:Name>"))
	// Output:
	// selectCmDevice by administrator: 1 returned, soap-action-missing
	// 200 true
}
