using System;
using static System.Math;

namespace App.Caching
{
    /// <summary>
    /// Keeps <see cref="Value"/> objects &amp; more.
    /// </summary>
    [Serializable]
    public class Cache<T> : ICache
    {
        private readonly int limit = 3;

        public string Name { get; set; }

        public int Size
        {
            get { return items.Count; }
        }

        /// <summary>Makes one.</summary>
        public Cache(int limit)
        {
            Check(limit);
        }

        public T Get(string key) => items.Find(key);

        [Fact]
        public void Finds_values()
        {
            Assert.Equal(1, new Cache<int>(1).Get("a"));
        }
    }

    public interface ICache
    {
        /// <summary>Clears it.</summary>
        void Clear();
    }

    public enum Level { Low, High }

    public record Point(int X, int Y);

    public struct Pair
    {
        public static Pair operator +(Pair a, Pair b) => a;
    }
}
