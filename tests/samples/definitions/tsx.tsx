import React, { useState } from 'react';

type Props = { label: string };

// A button that counts.
export const Counter: React.FC<Props> = ({ label }) => {
  const [count, setCount] = useState(0);
  return <button onClick={() => setCount(count + 1)}>{label} {count}</button>;
};

export function App() {
  return <Counter label="it's" />;
}
