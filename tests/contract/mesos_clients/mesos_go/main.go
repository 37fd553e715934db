// A scheduler written with mesos-go v0.0.11, built and run by test_mesos_go.py.
//
// Usage: mesosgoprobe HOST:PORT json|protobuf
// It subscribes, launches a task that ends well, one that ends badly and one that it kills, asks
// about an unknown one, and tears the framework down. It prints one JSON line for each thing it saw.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/backoff"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/extras/scheduler/callrules"
	"github.com/mesos/mesos-go/api/v1/lib/extras/scheduler/controller"
	"github.com/mesos/mesos-go/api/v1/lib/extras/scheduler/eventrules"
	"github.com/mesos/mesos-go/api/v1/lib/extras/store"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/events"
)

const deadline = 60 * time.Second

var commands = map[string]string{"good": "exit 0", "bad": "exit 7", "endless": "exec sleep 600"}

type probe struct {
	caller     calls.Caller
	missing    map[string]mesos.TaskState
	isLaunched bool
	isAsked    bool
	finish     context.CancelFunc
	isFinished bool
}

func say(what string, facts map[string]interface{}) {
	facts["what"] = what
	line, err := json.Marshal(facts)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func (p *probe) offers(ctx context.Context, event *scheduler.Event) error {
	offers := event.GetOffers().GetOffers()
	for i, offer := range offers {
		if p.isLaunched || i > 0 {
			if err := calls.CallNoData(ctx, p.caller, calls.Decline(offer.ID)); err != nil {
				return err
			}
			continue
		}
		p.isLaunched = true
		var tasks []mesos.TaskInfo
		for name, command := range commands {
			value := command
			tasks = append(tasks, mesos.TaskInfo{
				Name:    name,
				TaskID:  mesos.TaskID{Value: name},
				AgentID: offer.AgentID,
				Command: &mesos.CommandInfo{Value: &value},
				Resources: mesos.Resources{
					resources.NewCPUs(0.1).Resource, resources.NewMemory(32).Resource,
				},
			})
		}
		accept := calls.Accept(calls.OfferOperations{calls.OpLaunch(tasks...)}.WithOffers(offer.ID))
		if err := calls.CallNoData(ctx, p.caller, accept); err != nil {
			return err
		}
	}
	return nil
}

func (p *probe) update(ctx context.Context, event *scheduler.Event) error {
	status := event.GetUpdate().GetStatus()
	name, state := status.TaskID.Value, status.GetState()
	say("update", map[string]interface{}{"task": name, "state": state.String()})
	if name == "endless" && state == mesos.TASK_RUNNING {
		kill := calls.Kill(name, status.GetAgentID().GetValue())
		if err := calls.CallNoData(ctx, p.caller, kill); err != nil {
			return err
		}
	}
	if p.missing[name] == state {
		delete(p.missing, name)
	}
	if len(p.missing) == 0 && !p.isAsked {
		p.isAsked = true
		ask := calls.Reconcile(calls.ReconcileTasks(map[string]string{"ghost": ""}))
		if err := calls.CallNoData(ctx, p.caller, ask); err != nil {
			return err
		}
	}
	if name == "ghost" {
		p.isFinished = true
		// While subscribed: this client sends nothing but SUBSCRIBE once its stream is over.
		defer p.finish()
		return calls.CallNoData(ctx, p.caller, &scheduler.Call{Type: scheduler.Call_TEARDOWN})
	}
	return nil
}

func (p *probe) run(ctx context.Context, address, codec string) error {
	chosen := codecs.ByMediaType[codecs.MediaTypeJSON]
	if codec == codecs.NameProtobuf {
		chosen = codecs.ByMediaType[codecs.MediaTypeProtobuf]
	}
	client := httpcli.New(
		httpcli.Endpoint("http://"+address+"/api/v1/scheduler"),
		httpcli.Codec(chosen),
		httpcli.Do(httpcli.With(httpcli.Timeout(20*time.Second))),
	)
	id := store.NewInMemorySingleton()
	p.caller = callrules.New(callrules.WithFrameworkID(store.GetIgnoreErrors(id))).
		Caller(httpsched.NewCaller(client))
	checkpoint := true
	info := &mesos.FrameworkInfo{User: "root", Name: "mesos-go", Checkpoint: &checkpoint}
	acknowledge := controller.AckStatusUpdates(p.caller)
	err := controller.Run(ctx, info, p.caller,
		controller.WithFrameworkID(store.GetIgnoreErrors(id)),
		controller.WithRegistrationTokens(backoff.Notifier(time.Second, 15*time.Second, ctx.Done())),
		controller.WithEventHandler(eventrules.New(controller.LiftErrors().DropOnError()).Handle(events.Handlers{
			scheduler.Event_SUBSCRIBED: eventrules.New(controller.TrackSubscription(id, time.Minute)).HandleF(
				func(_ context.Context, event *scheduler.Event) error {
					say("registered", map[string]interface{}{
						"framework_id": event.GetSubscribed().GetFrameworkID().GetValue(),
						"version":      event.GetSubscribed().GetMasterInfo().GetVersion(),
					})
					return nil
				}),
			scheduler.Event_OFFERS: events.HandlerFunc(p.offers),
			scheduler.Event_UPDATE: acknowledge.AndThen().HandleF(p.update),
		})),
	)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	p := &probe{finish: cancel, missing: map[string]mesos.TaskState{
		"good": mesos.TASK_FINISHED, "bad": mesos.TASK_FAILED, "endless": mesos.TASK_KILLED,
	}}
	if err := p.run(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	missing := []string{}
	for name := range p.missing {
		missing = append(missing, name)
	}
	sort.Strings(missing)
	say("end", map[string]interface{}{"finished": p.isFinished, "missing": missing})
}
