{-# LANGUAGE OverloadedStrings #-}
-- |
-- Module: Data.Codec
-- Encodes values.
module Data.Codec
  ( encode
  ) where

import qualified Data.Map as Map
import Data.Text (Text, pack)

-- | A codec of values.
data Codec a
  = Plain a
  | Packed Text
  deriving (Show)

newtype Name = Name { unName :: Text }

type Table = Map.Map Text Int

-- | Things with a size.
class Sized a where
  size :: a -> Int
  size _ = 0

instance Sized (Codec a) where
  size (Plain _) = 1
  size _ = 2

-- | Encodes a value.
-- Never fails.
encode :: Show a => Codec a -> Text
encode (Plain x) = pack (show x) -- "encode :: fake"
encode (Packed t) =
  -- as it is
  t
  where
    go = 1

infixl 5 <+>
(<+>) :: Int -> Int -> Int
a <+> b = a + b

main :: IO ()
main = do
  print (encode (Plain 1))
