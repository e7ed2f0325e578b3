// Queues, as workers send to them. What a consumer is given stands in event.d.ts.

/** A queue that messages are sent to: a binding of type `queue`, or a handle of a namespace. */
interface Queue<Body = unknown> {
  /** Sends one message of at most 128,000 bytes. Resolves when it is durable. */
  send(body: Body, options?: QueueSendOptions): Promise<QueueSendResponse>;
  /**
   * Sends messages together, at most 100 and 256,000 bytes. Resolves when all are durable; if it
   * rejects, none is sent.
   */
  sendBatch(
    messages: Iterable<MessageSendRequest<Body>>,
    options?: { delaySeconds?: number },
  ): Promise<QueueSendResponse>;
  /** What waits in the queue or is being delivered. */
  metrics(): Promise<QueueMetrics>;
}

type QueueContentType = "json" | "text" | "bytes" | "v8";

interface QueueSendOptions {
  /** By default `json`. A `text` is a string, `bytes` are a view; `v8` takes what can be cloned. */
  contentType?: QueueContentType;
  /** Seconds for which the message is held back: at least 0 and at most 86,400. */
  delaySeconds?: number;
}

interface MessageSendRequest<Body = unknown> extends QueueSendOptions {
  body: Body;
}

interface QueueSendResponse {
  metadata: { metrics: QueueMetrics };
}

interface QueueMetrics {
  backlogCount: number;
  backlogBytes: number;
  oldestMessageTimestamp?: Date;
}

/** All queues of the tenant, by names that the worker makes up: a binding of type `dynamic_queue`. */
interface QueueNamespace {
  /**
   * A handle of a queue, which is made on first use. With options, the first call of the handle
   * keeps them, and they hold until others are kept, whatever becomes of this worker's isolate. A
   * queue that a deployed version declares in its `queue_consumers` takes none. A handle can be put
   * into `env` or props of a loaded worker and into a call; one with options when they are kept.
   */
  get<Body = unknown>(name: string, options?: QueueOptions): Queue<Body>;
}

interface QueueOptions {
  /**
   * Who takes the messages: a worker, or an export of one. By default the worker that asks. A worker
   * that is registered is named with the one that registered it, as `main/customer`.
   */
  consumer?: string | { service?: string; entrypoint?: string };
  /** Messages of one batch: 1 to 100, by default 10. */
  maxBatchSize?: number;
  /** Seconds for which a batch that is not full waits: 0 to 60, by default 5. */
  maxBatchTimeout?: number;
  /** Times that a message is delivered again after it failed: 0 to 100, by default 3. */
  maxRetries?: number;
  /** Seconds before it is, where the handler does not say: by default 0. */
  retryDelay?: number;
  /** The queue that takes what failed for the last time. Without one it is dropped. */
  deadLetterQueue?: string;
  /** Batches that are delivered at once: 1 to 250, by default 8. */
  maxConcurrency?: number;
  /** Seconds for which a message is held back that does not say. */
  deliveryDelay?: number;
  /** Seconds after which a message is dropped that nobody took: by default four days. */
  messageRetentionPeriod?: number;
}
