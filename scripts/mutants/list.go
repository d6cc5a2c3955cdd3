package main

// Tests that stand for several mistakes.
var (
	log       = test{"./internal/wal", "."}
	power     = test{"./internal/e2e/fault", "^TestPowerLoss$"}
	kills     = test{"./internal/e2e/fault", "^TestKill$"}
	syncFails = test{"./internal/e2e/fault", "^TestSyncFails$"}
	crash     = test{"./internal/logstore", "^TestCrashAtEveryCall$|^TestConfirmedSurvivesPowerLoss$"}
	syncs     = test{"./internal/logstore", "^TestSync(All)?Beside"}
	model     = test{"./internal/logstore", "^TestSimulation$"}
	copies    = test{"./internal/logstore", "^TestCopiedState$"}
	failures  = test{"./internal/logstore", "^TestFailureAtEveryCall$"}
	memory    = test{"./internal/e2e/fault", "^TestPowerLossInMemoryMode$"}
	relp      = test{"./internal/syslogsrv", "RELP"}
	rotations = test{"./internal/logstore", "^TestRenamedWhileWrittenTo$|^TestCopyWithHalfOfAWrite$|^TestCompressionUnderWay$|^TestCompressedElsewhere$|^TestKilledInDoubt$|^TestRotatedAfterKill$|^TestRenamedAlike$|^TestExcerpt$"}
	batches   = test{"./internal/syslogsrv", "Batches|Fenced|Zombie|Source|Stuck"}
)

// intents writes a record of its own for each file of a group, each with the
// positions of the sources.
const intents = `	if len(g.extents) > 1 {
		var first, last uint64
		for _, e := range g.extents {
			one := batchRecord{sources: g.sources, extents: []extent{{e.file.number.Load(), e.file.committed, e.length}}}
			data := [][]byte{one.appendHead(nil)}
			for _, p := range g.pieces[e.first:e.last] {
				data = append(data, p.data)
			}
			lsn, err := s.write(ctx, recBatch, data...)
			if err != nil {
				return err
			}
			if first == 0 {
				first = lsn
			}
			last = lsn
			e.file.committed += int64(e.length)
		}
		g.launch(first, last)
		return nil
	}
`

var mutants = []mutant{
	{"skip fdatasync", []edit{{"internal/wal/log.go",
		"		err = cur.Datasync()\n",
		"		_ = cur\n"}}, []test{log, power}},
	{"skip fdatasync, whole machine", []edit{{"internal/wal/log.go",
		"		err = cur.Datasync()\n",
		"		_ = cur\n"}}, []test{power}},
	{"records taken for durable that came during the fdatasync", []edit{{"internal/wal/log.go",
		"	l.synced = last\n	return last, nil\n",
		"	l.synced = l.last\n	return l.last, nil\n"}}, []test{log}},
	{"skip directory fsync", []edit{{"internal/wal/pool.go",
		"err = p.fsys.SyncDir(\".\")",
		"err = nil"}}, []test{log}},
	{"skip directory fsync of the log folder", []edit{{"internal/logstore/sync.go",
		"d.unsafe = d.fs.SyncDir(\".\")",
		"d.unsafe = nil"}}, []test{crash, model}},
	{"skip fdatasync of the log files", []edit{{"internal/logstore/sync.go",
		"if f.unsafe = f.handle.Datasync(); f.unsafe == nil {",
		"if f.unsafe = nil; f.unsafe == nil {"}}, []test{crash, model}},
	{"skip the sync of many log files", []edit{{"internal/logstore/sync.go",
		"	err := d.fs.SyncAll()\n",
		"	var err error\n"}}, []test{model}},
	{"a sync that began before counts for what was added meanwhile", []edit{{"internal/logstore/sync.go",
		"			d.reached(f, m)\n",
		"			d.reached(f, f.mark())\n"}}, []test{syncs}},
	{"a file written to before its position tells of it", []edit{{"internal/logstore/append.go",
		"defer d.wrote(f) //",
		"d.wrote(f) //"}}, []test{syncs}},
	{"log forgotten before the checkpoint", []edit{{"internal/logstore/checkpoint.go",
		"through := s.trimTo",
		"through := s.journal.last"}}, []test{crash, model}},
	{"memory trusted after a failed fdatasync", []edit{
		{"internal/logstore/mend.go", "	return h.Forget(0, 0)\n", "	return nil\n"},
		{"internal/logstore/mend.go", "	if fix.found == 0 {\n", "	if true {\n"},
	}, []test{failures}},
	{"NUL left behind the log's end", []edit{{"internal/logstore/mend.go",
		"	return isDamaged(h, at.from)\n",
		"	return false, nil\n"}}, []test{model, memory}},
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
		"case r.Start > now.to, r.Skip > 0",
		"case r.Skip > 0"}}, []test{model}},
	{"no trim", []edit{{"internal/logstore/sources.go",
		"skip, _ := slices.BinarySearch(r.Ends, src.accepted.to+1)",
		"skip := 0"}}, []test{model}},
	{"no LSN in the checkpoint", []edit{{"internal/logstore/recover.go",
		"reader, err := wal.OpenReader(logs, opt, after)",
		"reader, err := wal.OpenReader(logs, opt, 0*after)"}}, []test{model, crash, kills}},
	// The first design of the commit path, kept to be shown wrong.
	{"an intent for each file", []edit{{"internal/logstore/commit.go",
		"	if len(c.head)+size > s.journal.limit {\n",
		intents + "	if len(c.head)+size > s.journal.limit {\n"}}, []test{model, kills}},
	{"size trusted without content", []edit{{"internal/logstore/reconcile.go",
		"	same := commonPrefix(have, want)\n",
		"	same := min(len(have), len(want))\n"}}, []test{crash, power}},
	{"a copied state trusted", []edit{{"internal/logstore/copied.go",
		"	if r.differs == nil {\n		s.log",
		"	if true {\n		s.log"}}, []test{copies}},
	{"a copied state not replayed", []edit{{"internal/logstore/recover.go",
		"			if found, err := r.findContent(f, &at); found || err != nil {",
		"			if found, err := r.findContent(f, &at); false && (found || err != nil) {"}}, []test{copies}},
	// Files that somebody else renames and compresses.
	{"no look at the name after a write", []edit{{"internal/logstore/append.go",
		"	if n > 0 && d.lostName(f) {\n",
		"	if false {\n"}}, []test{rotations}},
	{"what is in doubt counted as written", []edit{{"internal/logstore/apply.go",
		"				return s.doubt(f, kept)\n",
		""}}, []test{rotations}},
	{"what is in doubt written again", []edit{{"internal/logstore/decide.go",
		"	case named:\n",
		"	case false:\n"}}, []test{rotations}},
	{"a copy being made not waited for", []edit{{"internal/logstore/decide.go",
		"		if calm++; s.isBeingCopied(d, info) {\n",
		"		if calm++; false {\n"}}, []test{rotations}},
	{"the store goes on while a file is in doubt", []edit{{"internal/logstore/doubt.go",
		"	s.pending.park(f)\n",
		""}}, []test{rotations}},
	{"copies not looked for by recovery", []edit{{"internal/logstore/copies.go",
		"	if len(f.want) == 0 || r.copied",
		"	if true || r.copied"}}, []test{rotations}},
	{"a log that was renamed before taken for a copy", []edit{{"internal/logstore/copies.go",
		"if err != nil || id.Birth <= f.at.identity.Birth {",
		"if err != nil || id.Birth == 0 {"}}, []test{rotations}},
	{"another file's lines taken for those of a copy", []edit{{"internal/logstore/copies.go",
		"	if f.at.size == 0 {\n",
		"	if false {\n"}}, []test{rotations}},
	// Delivery by dalogfwd.
	{"anchors off at the server", []edit{{"internal/syslogsrv/dalog.go",
		"	case b.Start > 0 && b.Before != cl.anchor:\n",
		"	case false:\n"}}, []test{batches}},
	{"anchors off at the forwarder", []edit{{"internal/tail/steer.go",
		"	if anchor != nil && position.Tail != *anchor {\n",
		"	if false {\n"}}, []test{{"./internal/e2e/fault", "^TestClonedMachine$"}}},
	{"a source read before it is durable", []edit{{"internal/tail/tail.go",
		"			t.retry = now.Add(t.cfg.Scan)\n			return\n",
		"			t.retry = now.Add(t.cfg.Scan)\n"}}, []test{{"./internal/tail", "Memory|Durable"}}},
	{"copies not told by their content", []edit{{"internal/tail/copies.go",
		"	case holds(a.file, anchor):\n",
		"	case false:\n"}}, []test{{"./internal/tail", "^TestRotation$"}}},
	{"a file between two names forgotten", []edit{{"internal/tail/settle.go",
		"len(v.lost) > 0 && !t.quiet(p)",
		"false"}}, []test{{"./internal/tail", "^TestRenamedWhileMissed$"}}},
	{"copies looked for while names change", []edit{{"internal/tail/epoch.go",
		"	complete = complete && t.quiet(p) // all the while\n",
		""}}, []test{{"./internal/tail", "^TestCopyBetweenTwoNames$"}}},
	{"acknowledgements of plain RELP cumulative", []edit{{"internal/forwarder/relpframes.go",
		"	s.wait[i].acked = true\n",
		"	for j := range i + 1 {\n		s.wait[j].acked = true\n	}\n"}}, []test{{"./internal/forwarder", "^TestFramesAreAcknowledgedOneByOne$"}}},
	{"no fencing", []edit{
		{"internal/syslogsrv/claims.go", "	old.fenced = true\n", ""},
		{"internal/syslogsrv/claims.go", "	old.fence()\n	return old.nonce, old.settle(timeout)\n", "	return old.nonce, true\n"},
		{"internal/syslogsrv/claims.go", "	old.lost.Store(true)\n", ""},
		{"internal/syslogsrv/claims.go", "	if !old.holder.settle(timeout) {\n", "	if false {\n"},
	}, []test{batches}},
	{"what is committed not waited for", []edit{{"internal/syslogsrv/claims.go",
		"	if !old.holder.settle(timeout) {\n",
		"	if false {\n"}}, []test{batches}},
	{"batches taken wherever they begin", []edit{{"internal/syslogsrv/dalog.go",
		"	case b.Start != cl.next:\n",
		"	case false:\n"}}, []test{batches}},
	{"batches answered when they are handed over", []edit{{"internal/syslogsrv/dalog.go",
		"	seq, end, messages := command.Seq, b.End(), len(u.msgs)\n",
		"	seq, end, messages := command.Seq, b.End(), len(u.msgs)\n	c.reply(seq, delivery.CodeOK, \"OK\", delivery.Taken{Committed: end, Messages: messages}.AppendTo(nil))\n"}}, []test{batches, {"./internal/e2e/fault", "^TestKillEitherSide$/^dalogd$"}}},
	{"sync error retried", []edit{{"internal/wal/log.go",
		"		err = cur.Datasync()\n",
		"		if err = cur.Datasync(); err != nil {\n			err = cur.Datasync()\n		}\n"}}, []test{log, syncFails}},
}
