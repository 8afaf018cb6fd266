(** Stacks. *)

open Printf
module M = Map.Make (String)

(** A stack of values. *)
type 'a t = {
  items : 'a list;
}

exception Empty

(** Pushes a value. *)
let push x s =
  (* on top *)
  { items = List.cons x s.items }

let rec length = function
  | [] -> 0
  | _ :: rest -> 1 + length rest

and other () = printf "let fake () = 1"

module Inner = struct
  let peek s = List.hd s
end

class counter = object
  method incr = ()
end

let limit = 10

let () = print_endline "hello"
