extension MatmulBenchmark {
    /// The speed of one kernel.
    public struct Row: Sendable, Hashable, Codable {
        /// What is measured: a kernel set and a layout (`avx2 T2`), or a float product
        /// (`own FP16`, `OpenBLAS FP16 tiles`, `OpenBLAS FP32`).
        public let kernel: String
        /// Outputs of the matrix.
        public let rows: Int
        /// Inputs of the matrix.
        public let columns: Int
        /// Inputs of one product.
        public let batch: Int
        /// Threads that shared each product.
        public let threads: Int
        /// Where the weights were.
        public let placement: Placement
        /// How the trits were packed; nil on float rows.
        public let layout: TernaryLayout?
        /// Time of one product, the median of all repetitions. Quantizing the input is not part of
        /// a ternary product's, since a layer does it once for several.
        public let seconds: Double
        /// The same with the fastest and the slowest repetition.
        public let time: Spread
        /// `rows * columns * batch` a second.
        public let weightsPerSecond: Double
        /// Bytes of the matrix a second, as packed.
        public let bytesPerSecond: Double
        /// ``bytesPerSecond`` as a share of the memory bandwidth measured in this run; above 1 where
        /// weights come from a cache.
        public let bandwidthShare: Double
        /// How many times as fast as the fastest float row of the same matrix and placement; nil on
        /// float rows, and where none was measured.
        public internal(set) var speedup: Double?
        /// The largest difference from the product in float64, relative to the largest element of
        /// that; of up to eight inputs of a batch. A ternary row's is that of int8 activations, a
        /// float row's that of its weights' type. Nil where a result is not finite.
        public let largestError: Double?
        /// Energy of one product, above what the machine takes at rest.
        public let energy: EnergyReading
        /// What is done for a weight.
        public let operation: Operation
        /// Who multiplied: a kernel set, or the kernels that OpenBLAS used.
        public let core: String
        /// Why OpenBLAS used these, or what is wrong with them; nil if there is nothing to say.
        public internal(set) var remark: String?
    }
}

extension MatmulBenchmark {
    /// What a kernel does for a weight. Each row's sum of a ternary matrix is multiplied by a scale
    /// besides, once.
    public enum Operation: String, Sendable, Hashable, Codable, CaseIterable {
        /// The int8 activation is added, subtracted, or left out: the scalar reference.
        case additions
        /// The int8 activation is multiplied by a code of two bits, and the product added: what
        /// processors are fastest at.
        case int8Products
        /// Two weights choose one of the sums of two activations from a table, which is added.
        case lookUps
        /// The float activation is multiplied by a float weight, and the product added.
        case floatProducts

        /// What a kernel set does with a layout. Look-ups are those of a GEMV: from a larger batch on,
        /// codes are taken apart for products.
        init(of set: String, _ layout: TernaryLayout, batch: Int) {
            if set == "scalar" {
                self = .additions
            } else {
                self = layout == .l2 && batch <= layout.gemvBatch ? .lookUps : .int8Products
            }
        }
    }
}

extension MatmulBenchmark.Operation: CustomStringConvertible {
    /// In words, for a line of text.
    public var description: String {
        switch self {
        case .additions: "an int8 activation added or subtracted, or nothing, for each weight"
        case .int8Products: "a product of an int8 activation and a 2-bit code for each weight"
        case .lookUps: "a table look-up and an addition for every two weights"
        case .floatProducts: "a float product for each weight"
        }
    }
}

extension MatmulBenchmark.Row {
    init(
        _ kernel: String, _ subject: MatmulSubject, _ placement: MatmulBenchmark.Placement,
        threads: Int, time: Spread, bytes: Int, limits: MachineLimits, core: String,
        layout: TernaryLayout?, error: Double?, energy: EnergyReading
    ) {
        let (rows, columns) = (subject.matrix.rows, subject.matrix.columns)
        self.kernel = kernel
        self.rows = rows
        self.columns = columns
        batch = subject.batch
        self.threads = threads
        self.placement = placement
        self.layout = layout
        seconds = time.median
        self.time = time
        weightsPerSecond = Double(rows * columns * subject.batch) / time.median
        bytesPerSecond = Double(bytes) / time.median
        bandwidthShare = Double(bytes) / time.median / limits.bytesPerSecond
        largestError = error
        self.energy = energy
        operation = layout.map { .init(of: core, $0, batch: subject.batch) } ?? .floatProducts
        self.core = core
    }
}
