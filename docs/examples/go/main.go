// Submits a job by publishing a record to topic "jobs", and prints where the record stands.
//
// The one thing to know: the acknowledgement means that the request is in the log, not that the job is
// accepted. The printed place is what the REST API takes as "atLeast": a GET with it answers once the
// cell has looked at the record.
//
//	KAFKA_BROKERS=localhost:9092 go run . titus-12345 ../batch-20.json
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type submitJob struct {
	Type  string          `json:"type"`
	JobID string          `json:"jobId"`
	Actor string          `json:"actor"`
	Job   json.RawMessage `json:"job"`
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("give the job's id and the file of the job")
	}
	job, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	value, err := json.Marshal(submitJob{"SubmitJob", os.Args[1], "ada", job})
	if err != nil {
		log.Fatal(err)
	}
	topic := os.Getenv("TOPIC")
	if topic == "" {
		topic = "jobs"
	}
	// It is idempotent and waits for all in-sync replicas unless told otherwise.
	producer, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Getenv("KAFKA_BROKERS"), ",")...),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer producer.Close()
	patience, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	record := &kgo.Record{Topic: topic, Key: []byte(os.Args[1]), Value: value}
	written, err := producer.ProduceSync(patience, record).First()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("jobs:%d:%d\n", written.Partition, written.Offset)
}
