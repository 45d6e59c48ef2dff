package soak

import (
	"fmt"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fitai/fituser-operator/internal/clerk/clerktest"
	"github.com/fitai/fituser-operator/internal/state"
)

// fault is an injected fault. inject starts it and returns the function that ends it. People make changes in between.
type fault struct {
	name   string
	inject func(p *people) (end func())
}

func noEnd() {}

// faults returns all faults. Each is injected at least once.
func faults() []fault {
	return []fault{
		{"the leader killed", killLeader},
		{"the follower killed", killFollower},
		{"the leader terminated", terminateLeader},
		{"the leader paused until the other leads", pauseLeader},
		{"both managers killed", killBoth},

		{"the database stopped and started", stopDatabase},
		{"the database's connections terminated", killConnections},
		{"the database read-only", databaseReadOnly},
		{"the table locked, and deadlocks", lockTable},

		{"the API server restarted", restartAPIServer},
		{"the API server paused", pauseAPIServer(3 * time.Second)},
		{"the API server paused for longer than a lease", pauseAPIServer(12 * time.Second)},
		{"the API server slow", slowAPIServer},

		{"deliveries lost and duplicated", faultyProxy},
		{"events never sent", dropEvents},
		{"Clerk answers with errors", clerkErrors},
		{"the signing secret rotated", func(p *people) func() { return p.untilRead(p.rotateSecret()) }},
		{"the secret keys rotated", func(p *people) func() { return p.untilRead(p.rotateKeys()) }},
		{"a sweep requested", func(p *people) func() { p.requestSweep(); return noEnd }},
	}
}

func killLeader(p *people) func() {
	leader := p.leader()
	p.managers[leader].signal(syscall.SIGKILL)
	return func() { p.leader() }
}

func killFollower(p *people) func() {
	p.managers[1-p.leader()].signal(syscall.SIGKILL)
	return noEnd
}

func terminateLeader(p *people) func() {
	p.managers[p.leader()].signal(syscall.SIGTERM)
	return func() { p.leader() }
}

// pauseLeader acts like a paused virtual machine: it resumes, and still considers itself the leader.
func pauseLeader(p *people) func() {
	leader := p.leader()
	p.proxy.excluded.Store(int64(leader) + 1)
	p.managers[leader].signal(syscall.SIGSTOP)
	return func() {
		p.waitUntilLeading(p.managers[1-leader])
		p.managers[leader].signal(syscall.SIGCONT)
		p.proxy.excluded.Store(0)
	}
}

func killBoth(p *people) func() {
	for _, m := range p.managers {
		m.signal(syscall.SIGKILL)
	}
	return func() { p.leader() }
}

func stopDatabase(p *people) func() {
	p.down.table = true
	p.postgres.Stop(p)
	return func() {
		p.postgres.Start(p)
		p.down.table = false
	}
}

func killConnections(p *people) func() {
	kill := func() {
		_ = p.table.Try("SELECT pg_terminate_backend(pid) FROM pg_stat_activity" +
			" WHERE datname = current_database() AND application_name = 'fituser-operator'")
	}
	kill()
	return kill
}

// databaseReadOnly acts like a failover that leaves the old connections on the standby.
func databaseReadOnly(p *people) func() {
	const database = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I %s', current_database()); END $$"
	p.table.Exec(fmt.Sprintf(database, "SET default_transaction_read_only = on"))
	killConnections(p)
	return func() {
		p.eventually("the database is writable again", func() error {
			return p.table.Try("BEGIN READ WRITE; " + fmt.Sprintf(database, "RESET default_transaction_read_only") + "; COMMIT")
		})
	}
}

// lockTable locks the table for a moment, as a migration does. Then the application locks rows in another order.
func lockTable(p *people) func() {
	lock := p.table.Begin()
	lock.Exec("LOCK TABLE users")
	p.down.table = true
	return func() {
		lock.Rollback()
		p.down.table = false
		for range 5 {
			_ = p.table.Try(`DO $$ DECLARE victim text; BEGIN
				FOR victim IN SELECT id FROM users ORDER BY id DESC LIMIT 50 LOOP
					UPDATE users SET email = email WHERE id = victim; PERFORM pg_sleep(0.001);
				END LOOP; END $$`) // a deadlock may abort this statement, which needs no retry
		}
	}
}

func restartAPIServer(p *people) func() {
	p.down.api = true
	p.check(p.env.StopAPIServer())
	return func() {
		p.check(p.env.StartAPIServer())
		p.down.api = false
	}
}

func pauseAPIServer(length time.Duration) func(*people) func() {
	return func(p *people) func() {
		p.down.api = true
		p.check(p.env.PauseAPIServer())
		end := time.After(length)
		return func() {
			<-end
			p.check(p.env.ResumeAPIServer())
			p.down.api = false
		}
	}
}

// slowAPIServer lets the API server run for a tenth of the time.
func slowAPIServer(p *people) func() {
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for going := true; going && err == nil; {
			if err = p.env.PauseAPIServer(); err != nil {
				break
			}
			<-time.After(180 * time.Millisecond)
			err = p.env.ResumeAPIServer()
			select {
			case <-stop:
				going = false
			case <-time.After(20 * time.Millisecond):
			}
		}
		stopped <- err
	}()
	over := time.After(5 * time.Second)
	return func() {
		<-over
		close(stop)
		p.check(<-stopped)
	}
}

func faultyProxy(p *people) func() {
	p.proxy.faulty.Store(true)
	return func() {
		p.webhooksDelivered()
		p.proxy.faulty.Store(false)
	}
}

// dropEvents stops webhooks: Clerk sends no event for the changes made meanwhile.
func dropEvents(p *people) func() {
	p.clerk.Attach(nil)
	return func() { p.clerk.Attach(p.sender) }
}

func clerkErrors(p *people) func() {
	var ends []func()
	for _, response := range []clerktest.Response{
		clerktest.Status(401, "clerk_key_invalid"), clerktest.Throttled(2), clerktest.HTML502(), clerktest.OKNull(),
		clerktest.Truncated(), clerktest.HTML404(), clerktest.CloseConnection(), clerktest.EmptyList(),
	} {
		ends = append(ends, p.clerk.Inject(clerktest.Fault{Respond: response, Times: 3}))
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

// untilRead ends a rotation after the managers had time to read their files. Requests rejected meanwhile are retried.
func (p *people) untilRead(finish func()) func() {
	over := time.After(time.Second)
	return func() {
		<-over
		finish()
	}
}

// requestSweep requests a sweep as a person does, see docs/sweep.md.
func (w *world) requestSweep() {
	w.Helper()
	configMap := &corev1.ConfigMap{}
	configMap.Namespace, configMap.Name = w.namespace, state.ConfigMapName
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, state.AnnotationSweep, time.Now().Format(time.RFC3339Nano))
	w.eventually("a sweep is requested", func() error {
		return w.objects.Patch(w.Context(), configMap, client.RawPatch(types.MergePatchType, []byte(patch)))
	})
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}
