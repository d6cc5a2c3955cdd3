package main

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/dalog-project/dalog/internal/logstore"
	"github.com/dalog-project/dalog/internal/syslogsrv"
)

// metrics gathers the counters of receiver and store for /metrics.
func metrics(receiver *syslogsrv.Server, store *logstore.Store) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		receiverMetrics{receiver},
		storeMetrics{store},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "dalogd_build_info", Help: "Always 1; the label tells the version.",
			ConstLabels: prometheus.Labels{"version": versionText()},
		}, func() float64 { return 1 }),
	)
	return registry
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("dalogd_"+name, help, labels, nil)
}

var (
	messagesDesc    = desc("messages_total", "Messages received and handed to the store.", "protocol")
	bytesDesc       = desc("received_bytes_total", "Bytes received, with frames, TLS taken off.", "protocol")
	connectionsDesc = desc("connections_total", "Connections, by what they turned out to speak.", "protocol")
	tlsDesc         = desc("tls_handshakes_total", "TLS handshakes that succeeded.")
	openDesc        = desc("connections_open", "Connections at present.")
	refusedDesc     = desc("refused_total", "What was refused or cut short, by reason.", "reason")
	defectsDesc     = desc("message_defects_total", "Messages with a defect, by defect; they are stored all the same.", "defect")
	emptyDesc       = desc("messages_empty_total", "Frames and datagrams without a message in them.")
	lostDesc        = desc("messages_lost_total", "Messages received that the store did not take.")
	oversizeDesc    = desc("messages_oversize_total", "Messages longer than --max-message.")
	discardedDesc   = desc("discarded_bytes_total", "Bytes of oversize messages that were not kept.")
	framingDesc     = desc("framing_errors_total", "Octet counts that did not fit, or that a stream ended in.")
	dropsDesc       = desc("datagrams_dropped_total", "Datagrams that the kernel dropped because the receive buffer was full.")
	partialDesc     = desc("partial_message_bytes", "Memory of messages that have not arrived in full.")
	peerMsgDesc     = desc("peer_messages_total", "Messages by sending address; the 100 with most.", "peer")
	peerSpeaksDesc  = desc("peer_protocol", "Always 1; the labels tell what the address speaks.", "peer", "protocol", "tls")
	peerLastDesc    = desc("peer_last_message_seconds", "Unix time of the address's last message.", "peer")
)

var (
	batchesDesc  = desc("batches_total", "Batches of dalogfwd taken.")
	linesDesc    = desc("batch_line_bytes_total", "Bytes of lines in them, unpacked.")
	skippedDesc  = desc("batch_skipped_bytes_total", "Bytes of files that dalogfwd left out on purpose: what another server has, or holes.")
	batchRefDesc = desc("batches_refused_total", "Batches refused, by reason; dalogfwd sends again from where the file stands.", "reason")
	sessionsDesc = desc("forwarders_connected", "Sessions of dalogfwd at present.")
	fencedDesc   = desc("forwarder_sessions_replaced_total", "Sessions ended because the same dalogfwd began a new one.")
	takenDesc    = desc("sources_taken_over_total", "Files claimed by another dalogfwd while one was sending them, as when a machine was cloned.")
	begunDesc    = desc("sources_begun_total", "Files claimed of which nothing was stored.")
	endedDesc    = desc("sources_ended_total", "Files that are gone at the sender and stored to their end.")
	sourcesDesc  = desc("sources", "Files of dalogfwd whose position is kept.")
	forgotDesc   = desc("sources_forgotten_total", "Files forgotten because nobody has sent or claimed them for long.")
	fullDesc     = desc("sources_refused_total", "Batches of new files refused because there are as many files as may be; they wait at their senders.")
)

// metricPeers bounds the addresses that become labels.
const metricPeers = 100

// receiverMetrics collects the counters of a Server.
type receiverMetrics struct{ server *syslogsrv.Server }

// Describe implements [prometheus.Collector].
func (receiverMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		messagesDesc, bytesDesc, connectionsDesc, tlsDesc, openDesc, refusedDesc, defectsDesc, emptyDesc, lostDesc,
		oversizeDesc, discardedDesc, framingDesc, dropsDesc, partialDesc, peerMsgDesc, peerSpeaksDesc, peerLastDesc,
		batchesDesc, linesDesc, skippedDesc, batchRefDesc, sessionsDesc, fencedDesc, takenDesc, begunDesc, endedDesc, sourcesDesc, forgotDesc, fullDesc,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (m receiverMetrics) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := m.server.Stats()
	count(batchesDesc, s.Dalog.Batches)
	count(linesDesc, s.Dalog.Bytes)
	count(skippedDesc, s.Dalog.SkippedBytes)
	count(batchRefDesc, s.Dalog.Gaps, "gap")
	count(batchRefDesc, s.Dalog.OtherContent, "content")
	count(batchRefDesc, s.Dalog.Unclaimed, "unclaimed")
	count(batchRefDesc, s.Dalog.Malformed, "malformed")
	count(fencedDesc, s.Dalog.SessionsEnded)
	count(takenDesc, s.Dalog.SourcesTaken)
	count(begunDesc, s.Dalog.SourcesBegun)
	count(endedDesc, s.Dalog.SourcesEnded)
	count(forgotDesc, s.Dalog.SourcesForgot)
	count(fullDesc, s.Dalog.SourcesFull)
	gauge(sourcesDesc, float64(s.Dalog.Sources))
	gauge(sessionsDesc, float64(s.Dalog.Live))
	for p, v := range s.Messages {
		count(messagesDesc, v, p.String())
	}
	for p, v := range s.Bytes {
		count(bytesDesc, v, p.String())
	}
	for p, v := range s.Connections {
		count(connectionsDesc, v, p.String())
	}
	for r, v := range s.Refused {
		count(refusedDesc, v, r.String())
	}
	for name, v := range s.Defects {
		count(defectsDesc, v, name)
	}
	count(tlsDesc, s.TLS)
	count(emptyDesc, s.Empty)
	count(lostDesc, s.Lost)
	count(oversizeDesc, s.Oversize)
	count(discardedDesc, s.Discarded)
	count(framingDesc, s.FramingErrors)
	count(dropsDesc, s.KernelDrops)
	gauge(openDesc, float64(s.Open))
	gauge(partialDesc, float64(s.PartialBytes))
	peers := m.server.Peers()
	for _, p := range peers[:min(len(peers), metricPeers)] {
		count(peerMsgDesc, p.Messages, p.Name)
		for _, protocol := range p.Protocols {
			gauge(peerSpeaksDesc, 1, p.Name, protocol.String(), strconv.FormatBool(p.TLS))
		}
		if !p.LastSeen.IsZero() {
			gauge(peerLastDesc, float64(p.LastSeen.Unix()), p.Name)
		}
	}
}

// storeMetrics collects the counters of a Store.
type storeMetrics struct{ store *logstore.Store }

var storeCounters = []struct {
	desc  *prometheus.Desc
	value func(*logstore.Stats) int64
}{
	{desc("stored_messages_total", "Messages committed."), func(s *logstore.Stats) int64 { return s.Messages }},
	{desc("stored_lines_total", "Lines of committed messages."), func(s *logstore.Stats) int64 { return s.Lines }},
	{desc("stored_bytes_total", "Bytes of those lines."), func(s *logstore.Stats) int64 { return s.Bytes }},
	{desc("stored_truncated_total", "Messages stored that were not whole when they came."), func(s *logstore.Stats) int64 { return s.Truncated }},
	{desc("overflow_messages_total", "Messages that went to overflow.log because there are too many files."), func(s *logstore.Stats) int64 { return s.Overflow }},
	{desc("diverted_bytes_total", "Bytes that went to overflow.log because their file could not be opened."), func(s *logstore.Stats) int64 { return s.Diverted }},
	{desc("commits_total", "Commits, each of all that had come meanwhile."), func(s *logstore.Stats) int64 { return s.Groups }},
	{desc("syncs_total", "Calls of fdatasync and syncfs."), func(s *logstore.Stats) int64 { return s.Syncs }},
	{desc("files_created_total", "Log files created."), func(s *logstore.Stats) int64 { return s.Created }},
	{desc("files_replaced_total", "Log files found renamed or removed by others."), func(s *logstore.Stats) int64 { return s.Replaced }},
	{desc("files_shrunk_total", "Log files found truncated by others."), func(s *logstore.Stats) int64 { return s.Shrunk }},
	{desc("rescued_bytes_total", "Bytes written once more because somebody compressed or removed their file while they were added to it."), func(s *logstore.Stats) int64 { return s.Rescued }},
	{desc("lines_mended_total", "Line ends added behind partial lines of others."), func(s *logstore.Stats) int64 { return s.Mended }},
	{desc("intake_holds_total", "Times that a full disk stopped the intake."), func(s *logstore.Stats) int64 { return s.Holds }},
	{desc("files_rotated_total", "Log files closed as a part."), func(s *logstore.Stats) int64 { return s.Rotated }},
	{desc("parts_compressed_total", "Closed parts compressed."), func(s *logstore.Stats) int64 { return s.Packed }},
	{desc("parts_removed_total", "Closed parts removed to keep the limits."), func(s *logstore.Stats) int64 { return s.Evicted }},
	{desc("parts_removed_bytes_total", "What removed parts had on the disk."), func(s *logstore.Stats) int64 { return s.EvictedBytes }},
	{desc("store_failures_total", "Disk errors that stopped the store for good."), func(s *logstore.Stats) int64 { return s.Failures }},
}

var storeGauges = []struct {
	desc  *prometheus.Desc
	value func(*logstore.Stats) int64
}{
	{desc("files", "Log files."), func(s *logstore.Stats) int64 { return s.Files }},
	{desc("files_open", "Log files held open for writing."), func(s *logstore.Stats) int64 { return s.OpenFiles }},
	{desc("parts", "Closed parts of log files."), func(s *logstore.Stats) int64 { return s.Parts }},
	{desc("part_summaries", "Closed parts with a summary, by which searches pass over what has no hits."), func(s *logstore.Stats) int64 { return s.Summaries }},
	{desc("text_summaries", "Stretches of 16 MiB of files that are not compressed whose lines are counted."), func(s *logstore.Stats) int64 { return s.TextSummaries }},
	{desc("parts_bytes", "What closed parts have on the disk."), func(s *logstore.Stats) int64 { return s.PartBytes }},
	{desc("uncommitted_bytes", "Bytes taken and not yet committed."), func(s *logstore.Stats) int64 { return s.Uncommitted }},
	{desc("intake_held", "1 while a full disk stops the intake."), func(s *logstore.Stats) int64 {
		if s.Held {
			return 1
		}
		return 0
	}},
}

// Describe implements [prometheus.Collector].
func (storeMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range storeCounters {
		ch <- c.desc
	}
	for _, g := range storeGauges {
		ch <- g.desc
	}
}

// Collect implements [prometheus.Collector].
func (m storeMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.store.Stats()
	for _, c := range storeCounters {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.value(&s)))
	}
	for _, g := range storeGauges {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(g.value(&s)))
	}
}
