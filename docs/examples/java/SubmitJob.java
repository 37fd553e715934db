// Submits a job by publishing a record to topic "jobs", and prints where the record stands.
//
// The one thing to know: the acknowledgement means that the request is in the log, not that the job is
// accepted. The printed place is what the REST API takes as "atLeast": a GET with it answers once the
// cell has looked at the record. With kafka-clients and slf4j-api on the class path:
//
//   KAFKA_BROKERS=localhost:9092 java -cp 'libs/*' SubmitJob.java titus-12345 batch-20.json
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

public final class SubmitJob {
    public static void main(String[] arguments) throws Exception {
        String jobId = arguments[0];
        String job = Files.readString(Path.of(arguments[1]), StandardCharsets.UTF_8);
        String topic = System.getenv().getOrDefault("TOPIC", "jobs");
        // A job's id has no sign that JSON would have to escape; the job is JSON already.
        String record =
                "{\"type\": \"SubmitJob\", \"jobId\": \"" + jobId + "\", \"actor\": \"ada\", "
                        + "\"job\": " + job + "}";

        Properties settings = new Properties();
        settings.put("bootstrap.servers", System.getenv("KAFKA_BROKERS"));
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        settings.put("delivery.timeout.ms", "30000");
        settings.put("request.timeout.ms", "10000");
        settings.put("linger.ms", "0");
        StringSerializer text = new StringSerializer();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, text, text)) {
            RecordMetadata written =
                    producer.send(new ProducerRecord<>(topic, jobId, record)).get();
            System.out.println("jobs:" + written.partition() + ":" + written.offset());
        }
    }
}
