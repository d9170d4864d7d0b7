# A class with one virtual function.
	.section .data.rel.ro._ZTV1A,"aw"
	.globl	_ZTV1A
	.align	8
	.type	_ZTV1A, @object
	.size	_ZTV1A, 24
_ZTV1A:
	.quad	0
	.quad	0
	.quad	_ZN1A3oneEv

	.section .text._ZN1A3oneEv,"ax",@progbits
	.globl	_ZN1A3oneEv
	.type	_ZN1A3oneEv, @function
_ZN1A3oneEv:
	.cfi_startproc
	movl	$1, %eax
	ret
	.cfi_endproc
	.size	_ZN1A3oneEv, .-_ZN1A3oneEv
