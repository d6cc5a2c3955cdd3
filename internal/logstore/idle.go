package logstore

import "time"

// claimedEvery is how exact a source's Claimed is.
const claimedEvery = 24 * time.Hour

// SourceCount is how many sources there are.
func (s *Store) SourceCount() int {
	s.sources.mu.Lock()
	defer s.sources.mu.Unlock()
	return len(s.sources.at)
}

// Claimed says that sessions had the sources at that time. It is durable with the
// next checkpoint.
func (s *Store) Claimed(keys []SourceKey, at time.Time) {
	s.sources.mu.Lock()
	defer s.sources.mu.Unlock()
	for _, key := range keys {
		src := s.sources.at[key]
		if src != nil && src.durable.Offset > 0 && at.Unix()-src.durable.Claimed > int64(claimedEvery/time.Second) {
			src.durable.Claimed = at.Unix()
			s.claimed.Store(true)
		}
	}
}

// IdleSources are those of which neither a batch has come nor a session has had
// them since then.
func (s *Store) IdleSources(since time.Time) (keys []SourceKey) {
	s.sources.mu.Lock()
	defer s.sources.mu.Unlock()
	for key, src := range s.sources.at {
		if src.durable.Offset > 0 && max(src.durable.Seen, src.durable.Claimed) < since.Unix() {
			keys = append(keys, key)
		}
	}
	return keys
}
