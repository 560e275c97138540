extension MatmulBenchmark {
    /// What is measured of one matrix.
    public struct Selection: Sendable, Hashable {
        /// Kernel sets of the ternary rows.
        public var kernels: [KernelSet]
        /// Packed layouts of the ternary rows.
        public var layouts: [TernaryLayout]
        /// Float rows; those that this machine cannot compute are left out.
        public var floats: [FloatBaseline.Kind]
        /// Parts of names: only rows whose ``MatmulBenchmark/Row/kernel`` has one of them are
        /// measured, in upper or lower case. Empty for all rows.
        public var names: [String] = []

        /// All that this machine has, unless something else is given.
        public init(
            kernels: [KernelSet] = KernelSet.available,
            layouts: [TernaryLayout] = TernaryLayout.allCases,
            floats: [FloatBaseline.Kind] = FloatBaseline.Kind.allCases
        ) {
            self.kernels = kernels
            self.layouts = layouts
            self.floats = floats
        }

        /// The names of the rows, in the order in which they are measured.
        public var rowNames: [String] {
            availableFloats.map(\.title)
                + layouts.flatMap { layout in sets(in: layout).map { Self.name($0, layout) } }
        }

        var availableFloats: [FloatBaseline.Kind] {
            floats.filter { includes($0.title) && $0.isAvailable }
        }

        func sets(in layout: TernaryLayout) -> [KernelSet] {
            kernels.filter { includes(Self.name($0, layout)) }
        }

        static func name(_ set: KernelSet, _ layout: TernaryLayout) -> String {
            "\(set.name) \(layout.rawValue)"
        }

        private func includes(_ name: String) -> Bool {
            let name = name.lowercased()
            return names.isEmpty || names.contains { name.contains($0.lowercased()) }
        }
    }
}
