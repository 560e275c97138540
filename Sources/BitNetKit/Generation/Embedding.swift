/// Comparing embeddings, vectors that `BitNetModel.embed(_:options:)` or something else has made.
///
/// ```swift
/// let texts = ["The cat sleeps.", "It rains.", "A dog barks."]
/// let vectors = try await model.embed(texts)
/// let query = try await model.embed("the weather")
/// for neighbor in try Embedding.nearest(to: query, in: vectors, count: 2) {
///     print(texts[neighbor.index], neighbor.similarity)
/// }
/// ```
public enum Embedding {
    /// A vector near another one.
    public struct Neighbor: Sendable, Hashable, Codable {
        /// The vector's place in the list that was searched.
        public let index: Int
        /// Its cosine similarity, in -1...1.
        public let similarity: Float
    }

    /// The cosine of the angle between two vectors, in -1...1; 0 if one of them is zero. They need not
    /// have length 1. Computed in double precision in a fixed order: the same bits everywhere.
    ///
    /// - Throws: `BitNetError.invalidArgument` for vectors of different sizes, and for numbers that are
    ///   not finite.
    public static func cosineSimilarity(_ a: [Float], _ b: [Float]) throws(BitNetError) -> Float {
        guard a.count == b.count else {
            throw .invalidArgument(
                name: "vectors", detail: "one has \(a.count) numbers, the other \(b.count)")
        }
        return try similarity(a, try norm(a), b)
    }

    /// The vectors most similar to `query`, the most similar first, the earlier one first among equals.
    ///
    /// All of them are compared, one after the other.
    ///
    /// - Parameters:
    ///   - query: the vector to be near to.
    ///   - vectors: where to look; each as long as `query`.
    ///   - count: how many are wanted; all of them if there are no more.
    /// - Throws: as ``cosineSimilarity(_:_:)``; `.invalidArgument` for a negative count.
    public static func nearest(
        to query: [Float], in vectors: [[Float]], count: Int
    ) throws(BitNetError) -> [Neighbor] {
        guard count >= 0 else {
            throw .invalidArgument(name: "count", detail: "\(count) is negative")
        }
        let queryNorm = try norm(query)
        var neighbors: [Neighbor] = []
        for (index, vector) in vectors.enumerated() {
            guard vector.count == query.count else {
                throw .invalidArgument(
                    name: "vectors",
                    detail: "number \(index) has \(vector.count) numbers, the query \(query.count)")
            }
            neighbors.append(
                Neighbor(index: index, similarity: try similarity(query, queryNorm, vector)))
        }
        // Sorting is stable only by what is compared.
        neighbors.sort { ($0.similarity, $1.index) > ($1.similarity, $0.index) }
        return Array(neighbors.prefix(count))
    }

    private static func similarity(
        _ a: [Float], _ norm: Double, _ b: [Float]
    ) throws(BitNetError) -> Float {
        let norms = norm * (try self.norm(b))
        guard norms > 0 else { return 0 }
        var dot = 0.0
        for (x, y) in zip(a, b) { dot += Double(x) * Double(y) }
        return Float(min(max(dot / norms, -1), 1))
    }

    private static func norm(_ vector: [Float]) throws(BitNetError) -> Double {
        var sum = 0.0
        for x in vector { sum += Double(x) * Double(x) }
        guard sum.isFinite else {
            throw .invalidArgument(name: "vectors", detail: "one has a number that is not finite")
        }
        return sum.squareRoot()
    }
}
