package main

// Tests that stand for several mistakes.
var (
	log       = test{"./internal/wal", "."}
	power     = test{"./internal/e2e/fault", "^TestPowerLoss$"}
	kills     = test{"./internal/e2e/fault", "^TestKill$"}
	syncFails = test{"./internal/e2e/fault", "^TestSyncFails$"}
	crash     = test{"./internal/logstore", "^TestCrashAtEveryCall$|^TestConfirmedSurvivesPowerLoss$"}
	model     = test{"./internal/logstore", "^TestSimulation$"}
	relp      = test{"./internal/syslogsrv", "RELP"}
)

var mutants = []mutant{
	{"skip fdatasync", []edit{{"internal/wal/log.go",
		"if err := l.cur.f.Datasync(); err != nil {",
		"if err := error(nil); err != nil {"}}, []test{log, power}},
	{"skip fdatasync, whole machine", []edit{{"internal/wal/log.go",
		"if err := l.cur.f.Datasync(); err != nil {",
		"if err := error(nil); err != nil {"}}, []test{power}},
	{"skip directory fsync", []edit{{"internal/wal/pool.go",
		"err = p.fsys.SyncDir(\".\")",
		"err = nil"}}, []test{log}},
	{"ack before commit", []edit{{"internal/logstore/commit.go",
		"	g := s.gather(batches)\n	var err error\n",
		"	g := s.gather(batches)\n	for _, b := range batches {\n		if b.committed != nil {\n			b.committed(nil)\n			b.committed = nil\n		}\n	}\n	var err error\n"}}, []test{crash, power}},
	{"ack when it is handed over", []edit{{"internal/syslogsrv/relp.go",
		"	err := c.srv.submit(received, msgs, RELP, func(err error) {",
		"	r.acker.Commit(last)\n	err := c.srv.submit(received, msgs, RELP, func(err error) {"}}, []test{relp, kills}},
	{"ack behind what failed", []edit{{"internal/syslogsrv/relp.go",
		"case !r.failed.Load():",
		"default:"}}, []test{relp}},
	{"no contiguity check", []edit{{"internal/logstore/sources.go",
		"case r.Start > now.to:",
		"case false:"}}, []test{model}},
	{"no trim", []edit{{"internal/logstore/sources.go",
		"skip, _ := slices.BinarySearch(r.Ends, src.accepted.to+1)",
		"skip := 0"}}, []test{model}},
	{"no LSN in the checkpoint", []edit{{"internal/logstore/recover.go",
		"reader, err := wal.OpenReader(logs, opt, r.from.lsn)",
		"reader, err := wal.OpenReader(logs, opt, 0)"}}, []test{crash, kills}},
	{"size trusted without content", []edit{{"internal/logstore/reconcile.go",
		"	same := commonPrefix(have, want)\n",
		"	same := min(len(have), len(want))\n"}}, []test{crash, power}},
	{"sync error retried", []edit{{"internal/wal/log.go",
		"if err := l.cur.f.Datasync(); err != nil {",
		"if err := l.cur.f.Datasync(); err != nil && l.cur.f.Datasync() != nil {"}}, []test{log, syncFails}},
}
