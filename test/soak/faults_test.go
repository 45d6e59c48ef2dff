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

// fault is something that breaks. It is broken when begin returns; end mends it. What happens in between is the people's.
type fault struct {
	name  string
	begin func(p *people) (end func())
}

func nothing() {}

// faults are all that the soak knows, at least once each.
func faults() []fault {
	return []fault{
		{"the leader killed", killLeader},
		{"the follower killed", killFollower},
		{"the leader terminated", terminateLeader},
		{"the leader paused until the other leads", pauseLeader},
		{"both managers killed", killBoth},

		{"the database stopped and started", stopDatabase},
		{"the database's connections killed", killConnections},
		{"the database read-only", databaseReadOnly},
		{"the table locked, and deadlocks", lockTable},

		{"the API server restarted", restartAPIServer},
		{"the API server paused", pauseAPIServer(3 * time.Second)},
		{"the API server paused until no lease can be renewed", pauseAPIServer(12 * time.Second)},
		{"the API server slow", slowAPIServer},

		{"deliveries lost and doubled", badLine},
		{"events never sent", silence},
		{"Clerk answers with errors", clerkDown},
		{"the signing secret rotated", func(p *people) func() { return p.untilRead(p.rotateSecret()) }},
		{"the secret keys rotated", func(p *people) func() { return p.untilRead(p.rotateKeys()) }},
		{"a sweep asked for", func(p *people) func() { p.askForSweep(); return nothing }},
	}
}

func killLeader(p *people) func() {
	leader := p.leader()
	p.managers[leader].signal(syscall.SIGKILL)
	return func() { p.leader() }
}

func killFollower(p *people) func() {
	p.managers[1-p.leader()].signal(syscall.SIGKILL)
	return nothing
}

func terminateLeader(p *people) func() {
	p.managers[p.leader()].signal(syscall.SIGTERM)
	return func() { p.leader() }
}

// pauseLeader is what a frozen virtual machine does: it comes back, and takes itself for the leader.
func pauseLeader(p *people) func() {
	leader := p.leader()
	p.line.out.Store(int64(leader) + 1)
	p.managers[leader].signal(syscall.SIGSTOP)
	return func() {
		p.takesOver(p.managers[1-leader])
		p.managers[leader].signal(syscall.SIGCONT)
		p.line.out.Store(0)
	}
}

func killBoth(p *people) func() {
	for _, m := range p.managers {
		m.signal(syscall.SIGKILL)
	}
	return func() { p.leader() }
}

func stopDatabase(p *people) func() {
	p.away.table = true
	p.postgres.Stop(p)
	return func() {
		p.postgres.Start(p)
		p.away.table = false
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

// databaseReadOnly is a failover in which the old connections lead to the standby.
func databaseReadOnly(p *people) func() {
	const database = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I %s', current_database()); END $$"
	p.table.Exec(fmt.Sprintf(database, "SET default_transaction_read_only = on"))
	killConnections(p)
	return func() {
		p.eventually("the database can be written again", func() error {
			return p.table.Try("BEGIN READ WRITE; " + fmt.Sprintf(database, "RESET default_transaction_read_only") + "; COMMIT")
		})
	}
}

// lockTable keeps everybody out for a moment, as a migration does; then the application locks rows in an order of its own.
func lockTable(p *people) func() {
	lock := p.table.Begin()
	lock.Exec("LOCK TABLE users")
	p.away.table = true
	return func() {
		lock.Rollback()
		p.away.table = false
		for range 5 {
			_ = p.table.Try(`DO $$ DECLARE victim text; BEGIN
				FOR victim IN SELECT id FROM users ORDER BY id DESC LIMIT 50 LOOP
					UPDATE users SET email = email WHERE id = victim; PERFORM pg_sleep(0.001);
				END LOOP; END $$`) // one of the parties is told to try again, and this one need not
		}
	}
}

func restartAPIServer(p *people) func() {
	p.away.api = true
	p.check(p.env.StopAPIServer())
	return func() {
		p.check(p.env.StartAPIServer())
		p.away.api = false
	}
}

func pauseAPIServer(length time.Duration) func(*people) func() {
	return func(p *people) func() {
		p.away.api = true
		p.check(p.env.PauseAPIServer())
		over := time.After(length)
		return func() {
			<-over
			p.check(p.env.ResumeAPIServer())
			p.away.api = false
		}
	}
}

// slowAPIServer gives the API server a tenth of the time.
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

func badLine(p *people) func() {
	p.line.bad.Store(true)
	return func() {
		p.settled()
		p.line.bad.Store(false)
	}
}

// silence makes changes of which Clerk tells nobody.
func silence(p *people) func() {
	p.clerk.Attach(nil)
	return func() { p.clerk.Attach(p.sender) }
}

func clerkDown(p *people) func() {
	var mend []func()
	for _, answer := range []clerktest.Response{
		clerktest.Status(401, "clerk_key_invalid"), clerktest.Throttled(2), clerktest.HTML502(), clerktest.OKNull(),
		clerktest.Truncated(), clerktest.HTML404(), clerktest.CloseConnection(), clerktest.EmptyList(),
	} {
		mend = append(mend, p.clerk.Inject(clerktest.Fault{Respond: answer, Times: 3}))
	}
	return func() {
		for _, end := range mend {
			end()
		}
	}
}

// untilRead ends a rotation once the managers had time to read their files. Whoever is refused meanwhile tries again.
func (p *people) untilRead(finish func()) func() {
	over := time.After(time.Second)
	return func() {
		<-over
		finish()
	}
}

// askForSweep asks as a person does, see docs/sweep.md.
func (w *world) askForSweep() {
	w.Helper()
	notes := &corev1.ConfigMap{}
	notes.Namespace, notes.Name = w.namespace, state.ConfigMapName
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, state.AnnotationSweep, time.Now().Format(time.RFC3339Nano))
	w.eventually("a sweep is asked for", func() error {
		return w.objects.Patch(w.Context(), notes, client.RawPatch(types.MergePatchType, []byte(patch)))
	})
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}
